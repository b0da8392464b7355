#pragma once

#include <optional>
#include <string>
#include <vector>

#include "layerkit/imagetool/container_run.h"

namespace layerkit {

/// A further command for a running container. What is empty is as the container has it.
struct ContainerCommand {
  std::vector<std::string> args;
  std::vector<std::string> env;  ///< "K=V", on top of the container's
  std::string user;
  std::string working_dir;  ///< absolute
  bool privileged = false;  ///< with every capability there is
  bool tty = false;         ///< at a terminal of its own
};

/// Runs it in all namespaces and the cgroup of the container, and waits until it ends; a user at a
/// terminal may leave before by a signal, which takes the process's terminal away. Throws
/// Error{Invalid} when the container does not run or is paused. `failure` is set when the container
/// would have run the command, and it could not be executed. Whatever becomes of this process
/// meanwhile, the container can end. REQUIRES: as run_in_background.
ExitStatus exec_in_foreground(const ContainerStore& store,
                              const ContainerInfo& container,
                              const ContainerCommand& command,
                              const Foreground& foreground,
                              std::optional<StartFailure>& failure,
                              const Context& context);

/// The same without streams, and without waiting; what goes to its terminal is dropped.
void exec_in_background(const ContainerStore& store,
                        const ContainerInfo& container,
                        const ContainerCommand& command,
                        std::optional<StartFailure>& failure,
                        const Context& context);

}  // namespace layerkit
