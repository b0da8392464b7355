#pragma once

#include <linux/filter.h>
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
#include "hook.h"
#include "layerkit/base/fd.h"
#include "layerkit/runner/container_spec.h"
#include "number_list.h"
#include "seccomp/seccomp_filter.h"
#include "trees.h"

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
  const char* link = nullptr;        ///< no mount, but a symlink with that text
  int tree = -1;                     ///< a detached mount
  const char* target = nullptr;      ///< relative to the rootfs
  bool target_is_directory = true;
  bool refuses_symlink = false;
  bool covers_symlink = false;  ///< a symlink as target is not followed
  bool keeps_mode = false;      ///< tmpfs: its root gets the mode of the target
  bool copies_up = false;       ///< tmpfs: and its content
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
  int tree = -1;              ///< a node as a detached mount; -1: made by mknod
  bool may_be_there = false;  ///< whatever the rootfs has there stays
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

/// How many kinds of namespaces there are.
inline constexpr std::size_t kNamespaceKinds = 8;

/// A namespace to join: setns(2).
struct PlannedJoin {
  int fd;
  int type;  ///< CLONE_NEW*; of a pidfd several
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

/// set_mempolicy(2).
struct PlannedMemoryPolicy {
  int mode = 0;
  const unsigned long* nodes = nullptr;
  unsigned long bits = 0;
};

/// sched_setaffinity(2)
struct PlannedCpus {
  const unsigned long* words = nullptr;
  std::size_t bytes = 0;
};

struct ChildPlan {
  int report = -1;  ///< the child's end of the report socket
  int standard[3] = {-1, -1, -1};
  int rootfs = -1;
  int stub = -1;                  ///< sealed memfd: the exec stub
  std::span<const int> for_stub;  ///< descriptors that its arguments name
  std::span<const int> keep;      ///< every descriptor of the plan, ascending: others are closed

  /// A process of its own (child_stage_linux.cc) joins namespaces and makes those that hold for
  /// children only, then clones the container's process with `clone_flags`.
  bool has_stage = false;
  std::uint64_t clone_flags = 0;
  std::span<const PlannedJoin> namespaces;
  bool stage_makes_user_namespace = false;
  bool makes_time_namespace = false;
  const char* time_offsets = nullptr;

  bool waits_for_mappings = false;
  bool has_mapped_root = false;
  bool may_have_mapped_root = false;  ///< a joined user namespace: nobody knows yet
  bool unshares_cgroup = false;
  bool raises_loopback = false;
  int network = -1;           ///< a network namespace that was made ahead
  std::span<const int> join;  ///< v1 `tasks` files
  PlannedCpus initial_cpus;   ///< until it is in its cgroup; none: the caller's
  PlannedCpus final_cpus;     ///< none: all

  const char* oom_score = nullptr;
  const char* hostname = nullptr;
  std::size_t hostname_size = 0;
  const char* domainname = nullptr;
  std::size_t domainname_size = 0;

  /// Joins a container that is there: no root file system to build.
  bool enters_container = false;
  bool owns_streams = false;  ///< files and pipes among the streams become the user's
  bool new_keyring = true;
  bool owns_mounts = true;              ///< it has a mount namespace of its own
  std::uint64_t rootfs_attributes = 0;  ///< MOUNT_ATTR_* that it has
  const char* rootfs_place = nullptr;   ///< where the rootfs is attached; null: on "/"
  bool pivots = true;
  std::span<const char* const> kernel_mounts;  ///< the host's proc and sysfs, if it may not pivot
  bool asks_for_hooks = false;                 ///< the parent runs hooks before the root changes
  std::span<const PlannedHook> hooks;          ///< createContainer
  int hook_state = -1;
  int hook_output = -1;
  bool has_terminal = false;
  unsigned short terminal_rows = 0;
  unsigned short terminal_columns = 0;

  std::span<const PlannedMount> mounts;
  std::span<int> mount_fds;  ///< scratch of the child, one per mount
  std::span<const PlannedDevice> devices;
  bool has_own_dev = false;  ///< something is mounted on /dev
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
  const PlannedMemoryPolicy* memory_policy = nullptr;
  mode_t umask = 0022;
  std::span<const PlannedRlimit> rlimits;
  std::span<const gid_t> groups;
  bool keeps_groups = false;
  uid_t uid = 0;
  gid_t gid = 0;
  std::uint64_t bounding = 0;
  std::uint64_t effective = 0;
  std::uint64_t permitted = 0;
  std::uint64_t inheritable = 0;
  std::uint64_t ambient = 0;
  bool no_new_privileges = false;
  const sock_fprog* seccomp = nullptr;  ///< loaded by the child; the stub loads its own
  unsigned seccomp_flags = 0;
  bool seccomp_has_listener = false;

  std::span<const int> preserved;  ///< become 3, 4, ...
  int proc = -1;  ///< what the child puts a proc file system at, for the stub; -1: it needs none
  const char* const* stub_argv = nullptr;
  const char* const* envp = nullptr;
};

/// What is not the container's but this start's.
struct LaunchOptions {
  Fd gate;                    ///< a FIFO, O_RDWR: the exec stub waits there for a byte; unset: none
  Fd network;                 ///< the network namespace of a new container, if it is there already
  std::string rootfs_place;   ///< host path at which hooks find the mounted rootfs; empty: none
  std::string program;        ///< what is executed; empty: found by args[0]
  bool runs_nothing = false;  ///< the process ends behind the gate
  bool pivots = true;         ///< false: chroot, for an initramfs
  bool new_keyring = true;
  bool owns_streams = false;  ///< files and pipes among the streams become the user's
  bool keeps_groups = false;  ///< those of the caller
  Fd hook_state;   ///< memfd: stdin of createContainer hooks; written before NeedsHooks is answered
  Fd hook_output;  ///< memfd: what they say
};

/// The first process of a container that is there.
struct ContainerInit {
  Fd pidfd;
  pid_t pid = -1;
};

/// Owns all that a ChildPlan points to, and says what its indexes mean.
class Plan {
 public:
  /// A new container. `spec` has been checked (spec_check.h); `report` is the child's end of the
  /// socket. Prepares bind sources and `rootfs` (propagation, nodev), so this already meets the
  /// kernel.
  Plan(ContainerSpec spec,
       Fd rootfs,
       Fd report,
       const Cgroup& cgroup,
       LaunchOptions options,
       SeccompFilter seccomp);
  /// A process that joins the container of `init`, a pidfd whose process is known as `init_pid`.
  Plan(ContainerSpec spec,
       const ContainerInit& init,
       Fd report,
       const Cgroup* cgroup,
       LaunchOptions options,
       SeccompFilter seccomp);
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;
  ~Plan() = default;

  const ChildPlan& flat() const noexcept { return flat_; }
  const ContainerSpec& spec() const noexcept { return spec_; }
  const std::vector<std::string>& mount_names() const noexcept { return mount_names_; }
  const std::vector<std::string>& sysctl_names() const noexcept { return sysctl_names_; }
  const std::vector<std::string>& device_names() const noexcept { return device_names_; }
  const std::vector<std::string>& join_names() const noexcept { return join_names_; }
  const std::vector<std::string>& candidates() const noexcept { return candidates_; }
  /// What the hooks of the child said, at most the last lines.
  std::string hook_output() const { return read_hook_output(options_.hook_output.get()); }
  bool is_gated() const noexcept { return static_cast<bool>(options_.gate); }
  /// Closes the parent's copy, so that the end of the child is seen as the end of the stream.
  void close_report() noexcept { report_.reset(); }

 private:
  Plan(ContainerSpec spec, Fd report, LaunchOptions options, SeccompFilter seccomp);
  const char* keep_text(std::string text);
  int keep_fd(Fd fd);
  /// `fd`, moved to where neither the streams nor the preserved descriptors will be.
  Fd out_of_the_way(Fd fd) const;
  void plan_standard_streams();
  void plan_names();
  void plan_namespaces();
  void plan_join(const std::string& path, int type, const char* kind);
  void plan_container_namespaces(const ContainerInit& init);
  void plan_cgroup(const Cgroup& cgroup);
  void plan_mounts(const Cgroup& cgroup);
  bool may_mount_sysfs() const noexcept;
  static void show_host_sysfs(ContainerMount& mount);
  void plan_mount(ContainerMount& mount);
  Fd owners_of(const ContainerMount& mount) const;
  void plan_cgroup_mount(const ContainerMount& mount, const Cgroup& cgroup);
  void plan_devices();
  void plan_usual_devices();
  void plan_device(const ContainerDevice& device);
  Fd show_device(const ContainerDevice& device);
  static std::uint32_t host_id(const std::vector<IdMapping>& mappings, std::uint32_t id);
  void plan_paths();
  void plan_sysctls();
  void plan_hooks();
  void plan_terminal();
  void plan_process();
  void plan_memory_policy();
  void plan_affinity();
  void plan_seccomp();
  void plan_exec();
  void finish();
  std::span<const FsOption> keep_options(const std::string& source,
                                         const std::vector<std::string>& data);
  std::span<const char* const> keep_pointers(const std::vector<std::string>& texts);
  /// Whether the group exists in the user namespace of the container.
  bool maps_group(std::uint32_t gid) const;

  ContainerSpec spec_;
  Fd rootfs_;
  Fd report_;
  LaunchOptions options_;
  SeccompFilter seccomp_;
  std::string gid_map_;          ///< of a joined user namespace; empty: unknown
  bool allows_devices_ = false;  ///< device nodes are usable anywhere: a device cgroup limits which
  bool makes_nodes_ = false;     ///< the child may make device nodes
  DeviceNodes device_nodes_;
  ChildPlan flat_;

  std::deque<std::string> texts_;
  std::deque<std::vector<FsOption>> fs_options_;
  std::vector<Fd> fds_;
  std::vector<int> keep_;
  std::vector<int> join_;
  std::vector<PlannedJoin> namespaces_;
  std::vector<std::string> join_names_;
  std::deque<std::vector<const char*>> pointers_;
  std::vector<PlannedHook> hooks_;
  std::vector<int> preserved_;
  std::vector<int> for_stub_;
  sock_fprog seccomp_program_{};
  std::vector<PlannedMount> mounts_;
  std::vector<int> mount_fds_;
  std::vector<PlannedDevice> devices_;
  std::vector<PlannedLink> links_;
  std::vector<PlannedSysctl> sysctls_;
  std::vector<const char*> masked_paths_;
  std::vector<const char*> read_only_paths_;
  std::vector<const char*> kernel_mounts_;
  std::vector<PlannedRlimit> rlimits_;
  std::vector<gid_t> groups_;
  std::vector<const char*> stub_argv_;
  std::vector<std::string> mount_names_;
  std::vector<std::string> sysctl_names_;
  std::vector<std::string> device_names_;
  std::vector<std::string> candidates_;
  std::optional<PlannedScheduler> scheduler_;
  std::optional<PlannedMemoryPolicy> memory_policy_;
  NumberMask memory_nodes_;
  NumberMask initial_cpus_;
  NumberMask final_cpus_;
};

}  // namespace layerkit::runner
