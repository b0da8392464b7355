#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "cli/host_ps.h"
#include "hook.h"
#include "layerkit/base/byte_stream.h"
#include "layerkit/base/error.h"
#include "layerkit/base/fd.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit::cli {
namespace {

constexpr std::size_t kMaxOutput = 64U << 20U;

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (const std::string_view word : split(line, ' ')) {
    if (!word.empty()) words.push_back(word);
  }
  return words;
}

std::string run_ps(const std::vector<std::string>& options) {
  const Fd input = Fd(::memfd_create("input", MFD_CLOEXEC));
  const Fd output = Fd(::memfd_create("output", MFD_CLOEXEC));
  if (!input || !output) fail_errno(errno, "executing ps");
  std::vector<const char*> argv = {"ps"};
  for (const std::string& option : options)
    argv.push_back(option.c_str());
  argv.push_back(nullptr);
  const char* const environment[] = {"PATH=/usr/bin:/bin", "LC_ALL=C", nullptr};
  runner::PlannedHook ps;
  ps.path = ::access("/usr/bin/ps", X_OK) == 0 ? "/usr/bin/ps" : "/bin/ps";
  ps.argv = argv.data();
  ps.envp = environment;
  const runner::HookEnd end = runner::run_hook(ps, input.get(), output.get());
  if (end.how == runner::HookEnd::How::NotStarted) fail_errno(end.value, "executing {}", ps.path);
  FileRangeSource source(output.get(), 0, stat_fd(output.get()).size, "output of ps");
  std::string text = read_all(source, kMaxOutput, "output of ps");
  if (end.how != runner::HookEnd::How::Succeeded)
    fail(Errc::Invalid, "executing {}: {}", ps.path, layerkit::quoted(text));
  return text;
}

}  // namespace

std::string host_ps(const std::vector<std::string>& options, const std::vector<pid_t>& pids) {
  const std::string text = run_ps(options);
  const std::vector<std::string_view> lines = split(text, '\n');
  const std::vector<std::string_view> titles = words_of(lines.front());
  const auto title = std::find(titles.begin(), titles.end(), "PID");
  if (title == titles.end()) fail(Errc::Invalid, "reading the output of ps: it has no column PID");
  const auto column = static_cast<std::size_t>(title - titles.begin());
  std::string result = std::string(lines.front()) + "\n";
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const std::vector<std::string_view> words = words_of(lines[i]);
    if (words.size() <= column) continue;
    const auto pid = parse_decimal(words[column]);
    if (pid && std::binary_search(pids.begin(), pids.end(), static_cast<pid_t>(*pid)))
      result += std::string(lines[i]) + "\n";
  }
  return result;
}

}  // namespace layerkit::cli
