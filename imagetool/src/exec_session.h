#pragma once

#include <memory>

#include "layerkit/base/context.h"
#include "layerkit/runner/container_exec.h"
#include "signal_reader.h"

namespace layerkit {

/// Who has the master of the process's terminal, if it has one.
enum class TerminalHolder {
  Caller,
  Background,  ///< what is written there is dropped
};

/// As exec_in_container, but the process is the child of one in the background, which reaps it and
/// says how it ended: an unreaped process would keep the container's pid namespace from ending for
/// as long as the caller is stopped or stuck. Streams and terminal are between the process and the
/// caller alone. A signal that comes before the program runs ends the start: Error{Interrupted}.
std::unique_ptr<StartedProcess> start_exec_session(ContainerExec exec,
                                                   TerminalHolder holder,
                                                   SignalReader& signals,
                                                   StartFailure& failure,
                                                   const Context& context);

}  // namespace layerkit
