#pragma once

#include <optional>

#include "layerkit/runner/runtime.h"

namespace layerkit::cli {

/// Stays until the process ends: signals go to it, and where the caller keeps its terminal (`run`
/// and `exec` without --detach) the caller's terminal is connected with it. `timeout`: milliseconds
/// after which `on_timeout` is called, once.
ExitStatus stay_in_foreground(StartedProcess& process,
                              std::optional<int> timeout,
                              const std::function<void()>& on_timeout);

}  // namespace layerkit::cli
