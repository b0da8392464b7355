#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layerkit/base/context.h"
#include "layerkit/base/fd.h"
#include "layerkit/runner/container_spec.h"

namespace layerkit::runner {

/// One mounted cgroup hierarchy as mountinfo shows it.
struct CgroupHierarchy {
  std::string mount_point;
  std::vector<std::string> controllers;  ///< v1 only: "memory", ...
  std::string own_path;                  ///< of this process, below the mount; "" or "/a/b"
};

/// Where this system keeps its controllers. Both may be there (a hybrid system).
struct CgroupLayout {
  std::vector<CgroupHierarchy> v1;
  std::optional<CgroupHierarchy> v2;
};

/// `mountinfo` and `self_cgroup` are the texts of /proc/self/mountinfo and /proc/self/cgroup.
CgroupLayout parse_cgroup_layout(std::string_view mountinfo, std::string_view self_cgroup);
CgroupLayout read_cgroup_layout();

/// A directory of the container's cgroup, to be shown inside the container.
struct CgroupView {
  std::string name;  ///< below /sys/fs/cgroup: "memory"; "" for cgroup v2
  int directory = -1;
  std::vector<std::string> aliases;  ///< controllers that share the hierarchy: "cpu", "cpuacct"
};

/// The cgroup of one container, in whatever hierarchies this system has. The destructor kills what
/// is left in it and removes it.
class Cgroup {
 public:
  Cgroup() = default;
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;
  virtual ~Cgroup() = default;

  /// v1: open `tasks` files. The child writes "0" to each: moving itself, single-threaded, is
  /// spared the wait for an RCU grace period that a write of a pid to cgroup.procs costs.
  virtual std::vector<int> join_files() const = 0;
  /// v2: the directory for CLONE_INTO_CGROUP, else -1.
  virtual int clone_directory() const noexcept = 0;
  virtual std::vector<CgroupView> views() const = 0;
  /// True when only the usual harmless devices can be opened from inside.
  virtual bool filters_devices() const noexcept = 0;
  /// True when the OOM killer took a process of it.
  virtual bool out_of_memory() const noexcept = 0;
  /// Kills what is in it, removes it. Idempotent.
  virtual void remove() noexcept = 0;
};

/// Creates `path`, relative to each hierarchy, with the limits of `resources`. An empty leftover is
/// replaced, one with processes is Error{Busy}. A limit whose controller this system lacks is
/// Error{Unsupported}; where nothing was asked for, a hierarchy that this user may not change is
/// left out.
std::unique_ptr<Cgroup> make_cgroup(const CgroupLayout& layout,
                                    const std::string& path,
                                    const Resources& resources,
                                    const Context& context);

/// The existing cgroup, or null.
std::unique_ptr<Cgroup> find_cgroup(const CgroupLayout& layout, const std::string& path);

/// Throws Error{Invalid} for limits that contradict each other or are out of range.
void check_resources(const Resources& resources);

}  // namespace layerkit::runner
