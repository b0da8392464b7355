#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>

#include "layerkit/base/context.h"
#include "layerkit/base/fd.h"
#include "layerkit/runner/container_spec.h"
#include "layerkit/runner/started_process.h"

namespace layerkit {

/// A further process for a container that start_container started, here or in another process.
struct ContainerExec {
  ProcessSpec process;
  std::optional<SeccompProfile> seccomp;
  std::string seccomp_cache;  ///< as ContainerSpec has them
  std::string cgroups_path;
  pid_t init = -1;  ///< the container's first process
  Fd init_pidfd;    ///< refers to it whatever becomes of its number
  /// Become 0, 1, 2 of the process; unset: /dev/null.
  Fd standard_input;
  Fd standard_output;
  Fd standard_error;
};

/// Joins all namespaces and the cgroup of the container and returns once the program has been
/// executed. A failure is one Error that names the step, the object and the errno, and leaves
/// nothing; `failure` says which exit code it deserves. REQUIRES: as start_container.
std::unique_ptr<StartedProcess> exec_in_container(ContainerExec exec,
                                                  StartFailure& failure,
                                                  const Context& context);

}  // namespace layerkit
