#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layerkit/base/context.h"
#include "layerkit/base/fd.h"
#include "layerkit/runner/cgroup_stats.h"
#include "layerkit/runner/container_spec.h"

namespace layerkit::runner {

/// One mounted cgroup hierarchy as mountinfo shows it.
struct CgroupHierarchy {
  std::string mount_point;
  std::vector<std::string> controllers;  ///< v1 only: "memory", ...; or "name=systemd"
  std::string own_path;                  ///< of this process, below the mount; "" or "/a/b"
};

/// Where this system keeps its controllers. Both may be there (a hybrid system).
struct CgroupLayout {
  std::vector<CgroupHierarchy> v1;
  std::optional<CgroupHierarchy> v2;
};

/// `mountinfo` and `self_cgroup` are the texts of /proc/self/mountinfo and /proc/self/cgroup.
CgroupLayout parse_cgroup_layout(std::string_view mountinfo, std::string_view self_cgroup);
/// Looks at the usual places only, which takes some microseconds where mountinfo takes milliseconds
/// on a host with thousands of mounts: nullopt unless every hierarchy of `self_cgroup` has its root
/// mounted at /sys/fs/cgroup or below, by the name of its controllers.
std::optional<CgroupLayout> find_usual_cgroups(std::string_view self_cgroup);
/// The usual places, else mountinfo.
CgroupLayout read_cgroup_layout();

/// A directory of the container's cgroup, to be shown inside the container.
struct CgroupView {
  std::string name;  ///< below /sys/fs/cgroup: "memory", "systemd"; "" for cgroup v2
  int directory = -1;
  std::vector<std::string> aliases;  ///< controllers that share the hierarchy: "cpu", "cpuacct"
};

/// The cgroup of one container, in whatever hierarchies this system has. Not thread-safe.
///
/// One that make_cgroup() made belongs to the object: the destructor kills what is left in it and
/// removes it, unless keep() was called. One that find_cgroup() found belongs to somebody else.
class Cgroup {
 public:
  Cgroup() = default;
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;
  virtual ~Cgroup() = default;

  /// v1: open `tasks` files. The child writes "0" to each: moving itself, single-threaded, is
  /// spared the wait for an RCU grace period that a write of a pid to cgroup.procs costs. They stay
  /// open as long as the object lives. Throws Error when one cannot be opened.
  virtual std::vector<int> join_files() const = 0;
  /// v2: the directory for CLONE_INTO_CGROUP, else -1.
  virtual int clone_directory() const noexcept = 0;
  virtual std::vector<CgroupView> views() const = 0;
  /// The absolute paths of its directories.
  virtual std::vector<std::string> directories() const = 0;

  /// True when it was made so that the rules of its resources say which devices can be opened from
  /// inside: the usual harmless ones where there are no rules.
  virtual bool filters_devices() const noexcept = 0;
  /// Writes every limit that `resources` has; the others stay. In an order that holds whether
  /// limits grow or shrink. Throws Error; then some may have been written. Device rules replace
  /// those that were there, none leave them alone. REQUIRES: check_resources(resources) passed.
  virtual void apply(const Resources& resources) = 0;
  virtual CgroupStats stats() const = 0;
  /// True when the OOM killer took a process of it.
  virtual bool out_of_memory() const noexcept = 0;

  /// Stops all processes in it and in those inside it, and returns once they stand. When that
  /// cannot be had in bounded time, they are thawed again and an Error is thrown.
  virtual void freeze() = 0;
  virtual void thaw() = 0;
  virtual bool frozen() const = 0;
  /// Of it and all inside it, in the caller's pid namespace (those out of its sight are left out),
  /// in ascending order. Empty when the cgroup is gone.
  virtual std::vector<pid_t> processes() const = 0;
  /// A signal to each of processes(). SIGKILL reaches frozen ones and those just forked, too.
  virtual void signal_all(int signal_number) = 0;

  /// From now on the destructor leaves the cgroup alone.
  virtual void keep() noexcept = 0;
  /// Kills what is in it, removes it and parents that became empty. Idempotent. Gives up after some
  /// seconds on processes that do not die. False when something of it is left.
  virtual bool remove() noexcept = 0;
};

/// Creates `path`, relative to each hierarchy, with the limits of `resources`. One that is there
/// and empty is used with the settings it has; one that has processes or is frozen is Error{Busy}.
/// A limit whose controller this system lacks is Error{Unsupported}; where nothing was asked for, a
/// hierarchy that this user may not change is left out.
std::unique_ptr<Cgroup> make_cgroup(const CgroupLayout& layout,
                                    const std::string& path,
                                    const Resources& resources,
                                    const Context& context);

/// The existing cgroup, or null. `directories`: those that may belong to it; null: all of that
/// path.
std::unique_ptr<Cgroup> find_cgroup(const CgroupLayout& layout,
                                    const std::string& path,
                                    const std::vector<std::string>* directories = nullptr);

/// The cgroup `nested` inside the existing cgroup `path`: in hierarchies where only `path` exists,
/// that one, so that who joins it is under all limits of `path`. Null when `nested` is nowhere. To
/// be joined, not to be removed.
std::unique_ptr<Cgroup> find_nested_cgroup(const CgroupLayout& layout,
                                           const std::string& path,
                                           const std::string& nested);

/// Throws Error{Invalid} for limits that contradict each other or are out of range.
void check_resources(const Resources& resources);

}  // namespace layerkit::runner
