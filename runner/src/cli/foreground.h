#pragma once

#include <signal.h>

#include <functional>
#include <optional>

#include "layerkit/runner/runtime.h"

namespace layerkit::cli {

/// While it lives, signals that stay_in_foreground() passes on wait for it: none that comes between
/// the start of a process and that is lost.
class HeldSignals {
 public:
  HeldSignals();
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;
  ~HeldSignals();

 private:
  sigset_t before_{};
};

/// Stays until the process ends: signals go to it, and where the caller keeps its terminal (`run`
/// and `exec` without --detach) the caller's terminal is connected with it. `timeout`: milliseconds
/// after which `on_timeout` is called, once.
ExitStatus stay_in_foreground(StartedProcess& process,
                              std::optional<int> timeout,
                              const std::function<void()>& on_timeout);

}  // namespace layerkit::cli
