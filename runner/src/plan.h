#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cgroup.h"
#include "layerkit/base/fd.h"
#include "layerkit/runner/container_spec.h"

namespace layerkit::runner {

// What the child does, as flat data: after clone it may not allocate, lock or throw, since another
// thread of the caller may have held any lock. All pointers lead into the Plan that made them.

struct FsOption {
  const char* key;
  const char* value;  ///< null for a flag
};

/// Whether a target may lie on a kernel file system. A symlink of the image must not lead a mount
/// into /proc or /sys that was asked for elsewhere (CVE-2019-19921).
enum class TargetPlace : std::uint8_t { Ordinary, BelowProc, BelowSys };

struct PlannedMount {
  const char* filesystem = nullptr;  ///< a new one by fsopen; null: `tree` is attached
  int tree = -1;                     ///< a detached mount
  const char* target = nullptr;      ///< relative to the rootfs
  bool target_is_directory = true;
  bool refuses_symlink = false;
  bool read_only_at_end = false;
  TargetPlace place = TargetPlace::Ordinary;
  std::span<const FsOption> options;
  std::uint64_t attributes = 0;   ///< MOUNT_ATTR_* of a new file system
  unsigned long propagation = 0;  ///< MS_* of a new file system
};

struct PlannedDevice {
  const char* path = nullptr;  ///< relative to the rootfs
  mode_t mode = 0;             ///< with its type
  dev_t number = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  int tree = -1;  ///< the host's node as a detached mount; -1: made by mknod
};

struct PlannedLink {
  std::size_t mount;  ///< in the root directory of which mount
  const char* name;
  const char* target;
};

struct PlannedSysctl {
  const char* path;  ///< below /proc
  const char* value;
  std::size_t size;
};

struct PlannedRlimit {
  int resource;
  rlimit64 value;
};

/// struct sched_attr of sched_setattr(2), which <sched.h> lacks.
struct PlannedScheduler {
  std::uint32_t size;
  std::uint32_t policy;
  std::uint64_t flags;
  std::int32_t nice;
  std::uint32_t priority;
  std::uint64_t runtime;
  std::uint64_t deadline;
  std::uint64_t period;
};

struct ChildPlan {
  int report = -1;  ///< the child's end of the report socket
  int standard[3] = {-1, -1, -1};
  int rootfs = -1;
  int stub = -1;              ///< sealed memfd: the exec stub
  std::span<const int> keep;  ///< every descriptor of the plan, ascending: others are closed

  bool waits_for_mappings = false;
  bool has_mapped_root = false;
  bool unshares_cgroup = false;
  bool raises_loopback = false;
  std::span<const int> join;  ///< v1 `tasks` files

  const char* oom_score = nullptr;
  const char* hostname = nullptr;
  std::size_t hostname_size = 0;
  const char* domainname = nullptr;
  std::size_t domainname_size = 0;

  std::span<const PlannedMount> mounts;
  std::span<int> mount_fds;  ///< scratch of the child, one per mount
  std::span<const PlannedDevice> devices;
  std::span<const PlannedLink> links;
  std::span<const PlannedSysctl> sysctls;
  std::span<const char* const> masked_paths;
  std::span<const char* const> read_only_paths;
  bool read_only_rootfs = false;
  unsigned long rootfs_propagation = 0;
  const char* cwd = nullptr;

  const PlannedScheduler* scheduler = nullptr;
  const int* io_priority = nullptr;
  const unsigned long* personality = nullptr;
  mode_t umask = 0022;
  std::span<const PlannedRlimit> rlimits;
  std::span<const gid_t> groups;
  uid_t uid = 0;
  gid_t gid = 0;
  std::uint64_t bounding = 0;
  std::uint64_t effective = 0;
  std::uint64_t permitted = 0;
  std::uint64_t inheritable = 0;
  std::uint64_t ambient = 0;
  bool no_new_privileges = false;

  const char* const* stub_argv = nullptr;
  const char* const* envp = nullptr;
};

/// Owns all that a ChildPlan points to, and says what its indexes mean.
class Plan {
 public:
  /// `spec` has been checked (spec_check.h); `report` is the child's end of the socket. Prepares
  /// bind sources and `rootfs` (propagation, nodev), so this already meets the kernel.
  Plan(ContainerSpec spec, Fd rootfs, Fd report, const Cgroup& cgroup);
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;
  ~Plan() = default;

  const ChildPlan& flat() const noexcept { return flat_; }
  const ContainerSpec& spec() const noexcept { return spec_; }
  const std::vector<std::string>& mount_names() const noexcept { return mount_names_; }
  const std::vector<std::string>& sysctl_names() const noexcept { return sysctl_names_; }
  const std::vector<std::string>& device_names() const noexcept { return device_names_; }
  const std::vector<std::string>& candidates() const noexcept { return candidates_; }
  /// Closes the parent's copy, so that the end of the child is seen as the end of the stream.
  void close_report() noexcept { report_.reset(); }

 private:
  const char* keep_text(std::string text);
  int keep_fd(Fd fd);
  void plan_standard_streams();
  void plan_namespaces(const Cgroup& cgroup);
  void plan_mounts(const Cgroup& cgroup);
  void plan_mount(ContainerMount& mount);
  void plan_cgroup_mount(const ContainerMount& mount, const Cgroup& cgroup);
  void plan_devices();
  void plan_device(const ContainerDevice& device);
  void plan_paths();
  void plan_sysctls();
  void plan_process();
  void plan_exec();
  std::span<const FsOption> keep_options(const std::string& source,
                                         const std::vector<std::string>& data);
  /// Whether the group exists in the user namespace of the container.
  bool maps_group(std::uint32_t gid) const;

  ContainerSpec spec_;
  Fd rootfs_;
  Fd report_;
  bool allows_devices_;  ///< device nodes are usable anywhere: a device cgroup limits which
  ChildPlan flat_;

  std::deque<std::string> texts_;
  std::deque<std::vector<FsOption>> options_;
  std::vector<Fd> fds_;
  std::vector<int> keep_;
  std::vector<int> join_;
  std::vector<PlannedMount> mounts_;
  std::vector<int> mount_fds_;
  std::vector<PlannedDevice> devices_;
  std::vector<PlannedLink> links_;
  std::vector<PlannedSysctl> sysctls_;
  std::vector<const char*> masked_paths_;
  std::vector<const char*> read_only_paths_;
  std::vector<PlannedRlimit> rlimits_;
  std::vector<gid_t> groups_;
  std::vector<const char*> stub_argv_;
  std::vector<const char*> envp_;
  std::vector<std::string> mount_names_;
  std::vector<std::string> sysctl_names_;
  std::vector<std::string> device_names_;
  std::vector<std::string> candidates_;
  std::optional<PlannedScheduler> scheduler_;
};

}  // namespace layerkit::runner
