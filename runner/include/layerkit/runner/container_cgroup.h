#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "layerkit/runner/cgroup_stats.h"

namespace layerkit {

/// The cgroup of a container that runs already, whoever started it. Not thread-safe. Whoever has
/// the object owns nothing: the cgroup stays when it goes. All functions throw Error.
class ContainerCgroup {
 public:
  ContainerCgroup() = default;
  ContainerCgroup(const ContainerCgroup&) = delete;
  ContainerCgroup& operator=(const ContainerCgroup&) = delete;
  virtual ~ContainerCgroup() = default;

  /// Stops all its processes and returns once they stand; when that cannot be had in bounded time
  /// they go on, and an Error is thrown. Error{Unsupported} without a freezer.
  virtual void freeze() = 0;
  virtual void thaw() = 0;
  virtual bool frozen() const = 0;
  /// In the caller's pid namespace, in ascending order.
  virtual std::vector<pid_t> processes() const = 0;
  virtual CgroupStats stats() const = 0;
};

/// By its ContainerSpec::cgroups_path. Null when there is none.
std::unique_ptr<ContainerCgroup> find_container_cgroup(const std::string& cgroups_path);

/// The cgroups of a container that some other process runs: kills what is in them and removes them.
/// False when there were none.
bool remove_container_cgroups(const std::string& cgroups_path);

}  // namespace layerkit
