#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "failure.h"
#include "hook.h"
#include "hook_run.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"

namespace layerkit::runner {
namespace {

Fd memory_file(const char* name) {
  Fd file(::memfd_create(name, MFD_CLOEXEC));
  if (!file) fail_errno(errno, "creating a file for a hook");
  return file;
}

std::vector<const char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<const char*> pointers;
  for (const std::string& text : texts)
    pointers.push_back(text.c_str());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

Fd hook_input(std::string_view text) {
  Fd file = memory_file("state");
  replace_hook_input(file, text);
  return file;
}

void replace_hook_input(const Fd& input, std::string_view text) {
  if (::ftruncate(input.get(), 0) != 0 || ::lseek(input.get(), 0, SEEK_SET) != 0)
    fail_errno(errno, "writing the state for hooks");
  write_all(input.get(), text, "the state for hooks");
  ::lseek(input.get(), 0, SEEK_SET);
}

Fd hook_output() {
  return memory_file("hook-output");
}

HookEnd hook_end_of(const Hook& hook, std::string_view state, std::string* output) {
  const Fd input = hook_input(state);
  const Fd said = hook_output();
  const std::vector<std::string> arguments =
      hook.args.empty() ? std::vector<std::string>{hook.path} : hook.args;
  const std::vector<const char*> argv = pointers_to(arguments);
  const std::vector<const char*> envp = pointers_to(hook.env.value_or(std::vector<std::string>{}));
  PlannedHook planned;
  planned.path = hook.path.c_str();
  planned.argv = argv.data();
  planned.envp = hook.env ? envp.data() : environ;
  planned.timeout = hook_timeout(hook.timeout);
  const HookEnd end = run_hook(planned, input.get(), said.get());
  if (output != nullptr) *output = read_hook_output(said.get());
  return end;
}

void run_hooks(const char* kind, const std::vector<Hook>& hooks, std::string_view state) {
  for (std::size_t i = 0; i < hooks.size(); ++i) {
    std::string output;
    const HookEnd end = hook_end_of(hooks[i], state, &output);
    if (end.how != HookEnd::How::Succeeded)
      throw describe_hook(kind, i, hooks[i].path, end, output);
  }
}

}  // namespace layerkit::runner
