#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "layerkit/base/fd.h"

namespace layerkit {

/// Limits of one container; unset means unlimited. Sizes in bytes. Names as in the OCI runtime
/// spec, config-linux.md, "Control groups"; written to cgroup v1 or v2, whichever has them.
struct Resources {
  std::optional<std::uint64_t> memory_limit;
  std::optional<std::int64_t> memory_swap;  ///< memory + swap as on v1 and docker; -1 unlimited
  std::optional<std::uint64_t> cpu_quota_us;
  std::uint64_t cpu_period_us = 100'000;
  std::optional<std::uint64_t> cpu_shares;  ///< v1 scale, 2..262144
  std::optional<std::uint64_t> pids_limit;
};

enum class MountKind {
  Bind,  ///< of `source_fd`, recursive
  Tmpfs,
  Proc,
  Sysfs,
  Devpts,
  Mqueue,
  Cgroup,
};

/// One mount inside the container. `target` is a path in the rootfs: its parents are resolved
/// inside it, whatever symlinks they hold, and missing directories (for a bind of a file: the
/// empty file) are created.
struct ContainerMount {
  MountKind kind = MountKind::Bind;
  std::string target;
  Fd source;                ///< Bind: an O_PATH descriptor of the host directory or file
  std::string source_name;  ///< Bind: for errors
  std::string options;      ///< file-system options, e.g. "mode=1777,size=65536k"
  bool read_only = false;
  bool no_suid = false;
  bool no_dev = false;
  bool no_exec = false;
};

struct IdMapping {
  std::uint32_t container_id = 0;
  std::uint32_t host_id = 0;
  std::uint32_t size = 0;
};

struct Rlimit {
  int resource = 0;  ///< RLIMIT_*
  std::uint64_t soft = 0;
  std::uint64_t hard = 0;
};

struct Namespaces {
  bool pid = true;
  bool uts = true;
  bool ipc = true;
  bool network = true;  ///< new, with the loopback interface up
  bool cgroup = true;
  bool user = false;  ///< uses the mappings below; mount is always new
};

/// The process to run.
struct ProcessSpec {
  std::vector<std::string> args;  ///< args[0] is looked up in PATH of `env`, inside the rootfs
  std::vector<std::string> env;   ///< "KEY=value"
  std::string cwd = "/";          ///< created when absent, as docker does
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> additional_gids;
  std::vector<std::string> capabilities;  ///< "CAP_CHOWN", ...: bounding, permitted, effective
  std::vector<Rlimit> rlimits;
  bool no_new_privileges = false;
  std::optional<int> oom_score_adj;
};

/// Everything the runner needs to know. It knows neither images nor layers.
struct ContainerSpec {
  std::string id;  ///< [a-zA-Z0-9][a-zA-Z0-9_.-]*; names the cgroup
  std::string hostname;
  ProcessSpec process;
  Namespaces namespaces;
  std::vector<IdMapping> uid_mappings;
  std::vector<IdMapping> gid_mappings;
  std::vector<ContainerMount> mounts;  ///< in order; see default_mounts()
  std::vector<std::string> masked_paths;
  std::vector<std::string> read_only_paths;
  bool read_only_rootfs = false;
  /// "net.ipv4.ip_forward" -> "1"; only such as belong to a new namespace of the container.
  std::map<std::string, std::string> sysctls;
  Resources resources;
  /// Relative path below each hierarchy's root; on v2, for a user who may not write there, below
  /// the directory of the caller's own cgroup. Made when absent, removed when empty.
  std::string cgroup_parent = "layerkit";
  /// Become 0, 1, 2 of the process; unset: /dev/null.
  Fd standard_input;
  Fd standard_output;
  Fd standard_error;
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

}  // namespace layerkit
