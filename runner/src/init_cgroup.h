#pragma once

#include <sys/types.h>

#include <string>

#include "cgroup.h"

namespace layerkit::runner {

/// Where the first process of a container is below the container's own cgroup, if that has given
/// controllers to others inside it and so may have no processes (cgroup v2). Empty: in the own one.
std::string place_of_init(const Cgroup& own, const std::string& cgroups_path, pid_t init);

}  // namespace layerkit::runner
