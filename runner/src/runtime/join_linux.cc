#include <fcntl.h>
#include <poll.h>
#include <signal.h>

#include <cerrno>

#include "failure.h"
#include "home_directory.h"
#include "hook.h"
#include "hook_run.h"
#include "join.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "runtime_parts.h"
#include "session.h"

namespace layerkit::runner {
namespace {

/// False when the time was over first.
bool await_end(const Process& process, int timeout) {
  pollfd poll{process.pidfd(), POLLIN, 0};
  int got = 0;
  do {
    got = ::poll(&poll, 1, timeout);
  } while (got < 0 && errno == EINTR);
  return got != 0;
}

/// As a process of the container has it; what it runs is the hook.
ContainerSpec hook_spec(const ProcessSpec& process, const Hook& hook) {
  ContainerSpec spec;
  spec.process = process;
  spec.process.terminal = false;
  spec.process.args = hook.args.empty() ? std::vector<std::string>{hook.path} : hook.args;
  if (hook.env) spec.process.env = *hook.env;
  return spec;
}

HookEnd end_of(const ExitStatus& status) {
  if (status.signal != 0) return {HookEnd::How::Signalled, status.signal};
  if (status.code != 0) return {HookEnd::How::Exited, status.code};
  return {};
}

}  // namespace

Process join_container(ContainerSpec spec,
                       const ContainerInit& init,
                       const Cgroup* cgroup,
                       LaunchOptions options,
                       SeccompFilter seccomp,
                       LaunchEvents& events,
                       StartFailure& failure,
                       const Context& context) {
  ReportSocket socket = make_report_socket();
  Plan plan(std::move(spec), init, std::move(socket.child), cgroup, std::move(options),
            std::move(seccomp));
  return launch(plan, std::move(socket.parent), cgroup, events, failure, context);
}

void run_start_container_hooks(const OciConfig& config,
                               const ContainerRecord& record,
                               const std::string& state,
                               const SeccompCache& filters,
                               const Context& context) {
  constexpr const char* kKind = "startContainer";
  const std::vector<Hook>& hooks = config.spec.hooks.start_container;
  if (hooks.empty()) return;
  const ContainerInit init = open_init(record);
  const std::unique_ptr<Cgroup> cgroup = cgroup_of(record);
  ProcessSpec process_spec = config.spec.process;
  const Fd root = open_at(AT_FDCWD, fmt::format("/proc/{}/root", init.pid), O_PATH);
  add_home(process_spec, root.get());
  Context quiet = context;  // create has told of it
  quiet.warn = [](const std::string&) {};
  SeccompFilter filter;
  if (config.spec.seccomp) filter = filters.get(*config.spec.seccomp, context);
  for (std::size_t i = 0; i < hooks.size(); ++i) {
    const Hook& hook = hooks[i];
    ContainerSpec spec = hook_spec(process_spec, hook);
    drop_labels_without_effect(spec, quiet);
    spec.seccomp = config.spec.seccomp;
    const Fd output = hook_output();
    spec.standard_input = hook_input(state);
    spec.standard_output = output.duplicate();
    spec.standard_error = output.duplicate();
    StartEvents events(spec, {}, false);
    events.on_state([&](pid_t /*pid*/) { return state; });
    StartFailure failure = StartFailure::Setup;
    LaunchOptions options;
    options.program = hook.path;
    const auto name = [&] {
      return fmt::format("error running {} hook #{}: {}", kKind, i, quoted(hook.path));
    };
    Process process = with_context(name, [&] {
      return join_container(std::move(spec), init, cgroup.get(), std::move(options), filter, events,
                            failure, context);
    });
    const bool ended = await_end(process, hook_timeout(hook.timeout));
    if (!ended) process.signal(SIGKILL);
    const ExitStatus status = process.wait();
    const HookEnd end = ended ? end_of(status) : HookEnd{HookEnd::How::TimedOut, 0};
    if (end.how != HookEnd::How::Succeeded)
      throw describe_hook(kKind, i, hook.path, end, read_hook_output(output.get()));
  }
}

}  // namespace layerkit::runner
