#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace layerkit::runner {

/// A hook as flat data, so that the child can run it, too.
struct PlannedHook {
  const char* path = nullptr;
  const char* const* argv = nullptr;
  const char* const* envp = nullptr;
  int timeout = -1;  ///< milliseconds; -1: none
};

struct HookEnd {
  enum class How {
    Succeeded,
    NotStarted,  ///< value: errno
    Exited,      ///< value: the exit code, not 0
    Signalled,   ///< value: the signal
    TimedOut,    ///< it was killed
  };
  How how = How::Succeeded;
  int value = 0;
};

/// Runs it to its end: its standard input is `state` from the start, what it says goes to `output`
/// (-1: nowhere), and it gets no other descriptor. Async-signal-safe: system calls alone.
HookEnd run_hook(const PlannedHook& hook, int state, int output) noexcept;

/// `seconds` as PlannedHook has it.
int hook_timeout(std::optional<unsigned> seconds) noexcept;

/// Why it failed, with what it said: "exit status 1, output: ...".
std::string reason_of(const HookEnd& end, std::string_view output);

/// The beginning of what hooks said into `output`, a memfd; empty for -1.
std::string read_hook_output(int output);

}  // namespace layerkit::runner
