#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "layerkit/base/fd.h"
#include "layerkit/runner/resources.h"
#include "layerkit/runner/seccomp_profile.h"

namespace layerkit {

// What the runner needs to know of a container: the OCI runtime spec's config.json (1.2, Linux) as
// values, under its names. oci_config.h reads it from JSON; who links the library may fill it in.
// It knows neither images nor layers.

/// How the container comes to a namespace of one kind.
struct Namespace {
  enum class From {
    Caller,  ///< it stays in that of the calling process
    New,
    Path,  ///< it joins the one that `path` names
  };
  From from = From::New;
  std::string path;

  bool is_new() const noexcept { return from == From::New; }
  bool is_joined() const noexcept { return from == From::Path; }
};

struct TimeOffset {
  std::int64_t secs = 0;
  std::uint32_t nanosecs = 0;
};

struct Namespaces {
  Namespace mount;  ///< not new: its mounts are seen by itself alone all the same (Linux 6.15)
  Namespace pid;
  Namespace uts;
  Namespace ipc;
  Namespace network;  ///< new: with the loopback interface up
  Namespace cgroup;
  Namespace user = {Namespace::From::Caller, {}};
  Namespace time = {Namespace::From::Caller, {}};
};

struct IdMapping {
  std::uint32_t container_id = 0;
  std::uint32_t host_id = 0;
  std::uint32_t size = 0;
};

/// Flags to switch on and off: MOUNT_ATTR_* of mount_setattr(2).
struct MountAttributes {
  std::uint64_t set = 0;
  std::uint64_t clear = 0;
};

/// One mount inside the container. `target` is a path in the rootfs: its parents are resolved
/// inside it, whatever symlinks they hold, and missing directories (for a bind of a file: the
/// empty file) are created.
struct ContainerMount {
  std::string type;  ///< "bind", "cgroup", or a file system of the kernel
  std::string target;
  std::string source;     ///< bind: what errors call it; else what mountinfo(5) is to show
  Fd source_fd;           ///< bind: the object (O_PATH); whoever read a path opens it
  bool recursive = true;  ///< bind: with the mounts below
  MountAttributes attributes;
  MountAttributes recursive_attributes;  ///< of the mounts below, too
  unsigned long propagation = 0;         ///< MS_SHARED, MS_SLAVE, ... with or without MS_REC
  std::vector<std::string> data;         ///< options of the file system: "mode=1777"
  bool copies_up = false;                ///< tmpfs: with what the rootfs has there (tmpcopyup)
  bool follows_target = true;            ///< false: a symlink as target is covered itself
  bool follows_source = true;   ///< bind: for who opens it; false: a symlink is bound itself
  bool copies_symlink = false;  ///< bind: a source that is a symlink becomes one like it
  /// bind: who owns what through this mount (mount_setattr(2)); empty: as it is.
  std::vector<IdMapping> uid_mappings;
  std::vector<IdMapping> gid_mappings;
  bool maps_recursively = false;
  bool is_id_mapped = false;  ///< without mappings of its own: by those of the container
};

/// A device node to be made in the container.
struct ContainerDevice {
  std::string path;
  char type = 'c';  ///< 'c', 'b', 'p' (fifo)
  unsigned major = 0;
  unsigned minor = 0;
  mode_t mode = 0666;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};

struct Rlimit {
  int resource = 0;  ///< RLIMIT_*
  std::uint64_t soft = 0;
  std::uint64_t hard = 0;
};

/// sched_setattr(2).
struct Scheduler {
  std::uint32_t policy = 0;  ///< SCHED_*
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t flags = 0;  ///< SCHED_FLAG_*
  std::optional<std::uint64_t> runtime;
  std::uint64_t deadline = 0;
  std::uint64_t period = 0;
};

/// set_mempolicy(2).
struct MemoryPolicy {
  unsigned mode = 0;  ///< MPOL_*, with its flags
  std::string nodes;  ///< list as cpuset(7) has it; may be empty
};

struct ConsoleSize {
  unsigned short height = 0;
  unsigned short width = 0;
};

/// Names: "CAP_CHOWN", ...
struct Capabilities {
  std::vector<std::string> bounding;
  std::vector<std::string> effective;
  std::vector<std::string> permitted;
  std::vector<std::string> inheritable;
  std::vector<std::string> ambient;
};

/// A process of the container: its first one, or one that joins it.
struct ProcessSpec {
  std::vector<std::string> args;  ///< args[0] is looked up in PATH of `env`, inside the rootfs
  std::vector<std::string> env;   ///< "KEY=value"
  std::string cwd = "/";          ///< created when absent, as docker does
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> additional_gids;
  std::optional<mode_t> umask;
  Capabilities capabilities;
  std::vector<Rlimit> rlimits;
  bool no_new_privileges = false;
  std::optional<int> oom_score_adj;
  std::optional<Scheduler> scheduler;
  std::optional<int> io_priority;    ///< as ioprio_set(2) takes it
  std::string initial_cpu_affinity;  ///< exec: cpuset(7) list until it is in its cgroup
  std::string final_cpu_affinity;    ///< exec: after that
  std::string apparmor_profile;
  std::string selinux_label;
  bool terminal = false;  ///< a terminal of the container's devpts becomes 0, 1 and 2
  std::optional<ConsoleSize> console_size;
};

struct Hook {
  std::string path;
  std::vector<std::string> args;                ///< empty: the path alone
  std::optional<std::vector<std::string>> env;  ///< unset: the caller's
  std::optional<unsigned> timeout;              ///< seconds
};

struct Hooks {
  std::vector<Hook> prestart;
  std::vector<Hook> create_runtime;
  std::vector<Hook> create_container;
  std::vector<Hook> start_container;
  std::vector<Hook> poststart;
  std::vector<Hook> poststop;
};

/// Everything the runner needs to know.
struct ContainerSpec {
  std::string id;  ///< [a-zA-Z0-9_+.-]+, not "." or ".."
  std::string hostname;
  std::string domainname;
  ProcessSpec process;
  Namespaces namespaces;
  std::vector<IdMapping> uid_mappings;
  std::vector<IdMapping> gid_mappings;
  std::optional<TimeOffset> monotonic_offset;
  std::optional<TimeOffset> boottime_offset;
  std::vector<ContainerMount> mounts;  ///< in order; see default_mounts()
  std::vector<ContainerDevice> devices;
  std::vector<std::string> masked_paths;
  std::vector<std::string> read_only_paths;
  bool read_only_rootfs = false;
  unsigned long rootfs_propagation = 0;  ///< MS_PRIVATE, ...; 0: private
  /// "net.ipv4.ip_forward" -> "1"; only such as belong to a new namespace of the container.
  std::map<std::string, std::string> sysctls;
  Resources resources;
  std::optional<SeccompProfile> seccomp;
  /// Directory for compiled filters, made when absent (0700, its parents are not): with it most
  /// containers start 12 ms earlier. Empty: none.
  std::string seccomp_cache;
  std::optional<unsigned long> personality;
  std::optional<MemoryPolicy> memory_policy;
  std::string mount_label;  ///< SELinux context of the mounts
  Hooks hooks;
  std::map<std::string, std::string> annotations;
  /// "a/b": below each hierarchy's root; on v2, for a user who may not write there, below the
  /// directory of the caller's own cgroup. Made when absent; parents removed when empty.
  std::string cgroups_path;
  /// Become 0, 1, 2 of the process; unset: /dev/null.
  Fd standard_input;
  Fd standard_output;
  Fd standard_error;
  /// Further descriptors of the caller for the process; they become 3, 4, ... Unset: that number
  /// stays closed.
  std::vector<Fd> preserved;
};

/// /proc, /dev (tmpfs with the usual nodes), /dev/pts, /dev/shm, /dev/mqueue, /sys, /sys/fs/cgroup.
std::vector<ContainerMount> default_mounts();
/// Docker's lists.
std::vector<std::string> default_masked_paths();
std::vector<std::string> default_read_only_paths();
/// Every capability that has a name, "CAP_CHOWN" first: the index is its number
/// (linux/capability.h).
std::span<const std::string_view> capability_names() noexcept;
/// The names in the calling thread's bounding set: what a container can have at most.
std::vector<std::string> bounding_capabilities();
/// Docker's default capability set.
std::vector<std::string> default_capabilities();
/// Bounding, effective and permitted; a process of another user than root has them in its bounding
/// set alone, as execve(2) would have it.
Capabilities capabilities_of(std::vector<std::string> names, std::uint32_t uid);

}  // namespace layerkit
