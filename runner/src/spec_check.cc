#include "spec_check.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>

#include "cgroup.h"
#include "layerkit/base/error.h"
#include "layerkit/base/rel_path.h"
#include "layerkit/base/text.h"
#include "number_list.h"

namespace layerkit::runner {
namespace {

constexpr std::size_t kMaxId = 255;
constexpr std::size_t kMaxHostname = 64;

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

void check_text(std::string_view what, std::string_view text) {
  if (text.find('\0') != std::string_view::npos) {
    fail(Errc::Invalid, "reading {} {}: it has a NUL byte", what, quoted(text));
  }
}

/// What execve(2) takes of one argument or variable, with the NUL at its end.
void check_length(std::string_view what, std::string_view text) {
  constexpr std::size_t kMost = 131'072;  // MAX_ARG_STRLEN
  if (text.size() < kMost) return;
  fail(Errc::Invalid, "reading {}: it has {} bytes, and the kernel takes less than {}", what,
       text.size(), kMost);
}

constexpr std::uint32_t kFifo = 1;
constexpr std::uint32_t kRoundRobin = 2;
constexpr std::uint32_t kDeadline = 6;

/// sched(7), "SCHED_DEADLINE".
void check_deadline(const Scheduler& wanted) {
  constexpr std::uint64_t kLeast = 1024;
  constexpr std::uint64_t kMost = (1ULL << 63U) - 1;
  constexpr const char* kWhat = "sched_setattr: `SCHED_DEADLINE`";
  if (!wanted.runtime) fail(Errc::Invalid, "{} requires `runtime`", kWhat);
  if (wanted.deadline == 0) fail(Errc::Invalid, "{} requires `deadline`", kWhat);
  const std::uint64_t runtime = *wanted.runtime;
  if (runtime == 0) fail(Errc::Invalid, "{} runtime must be greater than 0", kWhat);
  if (runtime < kLeast || runtime > kMost)
    fail(Errc::Invalid, "{} runtime {} must be between {} and {}", kWhat, runtime, kLeast, kMost);
  if (runtime > wanted.deadline)
    fail(Errc::Invalid, "{} runtime {} must be <= deadline {}", kWhat, runtime, wanted.deadline);
  if (wanted.period != 0 && wanted.deadline > wanted.period)
    fail(Errc::Invalid, "{} deadline {} must be <= period {}", kWhat, wanted.deadline,
         wanted.period);
}

/// sched(7). The kernel bends a niceness that is out of range, and ignores others' times.
void check_scheduler(const Scheduler& wanted) {
  if (wanted.nice < -20 || wanted.nice > 19)
    fail(Errc::Invalid, "reading the scheduler: a nice value of {} is not in -20..19", wanted.nice);
  if (wanted.policy == kFifo || wanted.policy == kRoundRobin) {
    if (wanted.priority < 1 || wanted.priority > 99)
      fail(Errc::Invalid, "reading the scheduler: a real-time priority of {} is not in 1..99",
           wanted.priority);
  } else if (wanted.priority != 0) {
    fail(Errc::Invalid, "reading the scheduler: its policy has no priority");
  }
  if (wanted.policy == kDeadline) {
    check_deadline(wanted);
  } else if (wanted.runtime.value_or(0) != 0 || wanted.deadline != 0 || wanted.period != 0) {
    fail(Errc::Invalid, "reading the scheduler: its policy has no runtime, deadline and period");
  }
}

// setresuid(2) and its like take it for "as before".
constexpr std::uint32_t kNobody = UINT32_MAX;

}  // namespace

void check_process(const ProcessSpec& process) {
  if (process.scheduler) check_scheduler(*process.scheduler);
  if (process.args.empty() || process.args.front().empty()) {
    fail(Errc::Invalid, "reading the command: it is empty");
  }
  for (const std::string& argument : process.args) {
    check_text("argument", argument);
    check_length("an argument", argument);
  }
  for (const std::string& variable : process.env) {
    check_text("environment variable", variable);
    check_length("an environment variable", variable);
    if (variable.find('=') == std::string::npos || variable.front() == '=') {
      fail(Errc::Invalid, "reading environment variable {}: not KEY=VALUE", quoted(variable));
    }
  }
  check_text("working directory", process.cwd);
  if (!process.cwd.starts_with('/')) {
    fail(Errc::Invalid, "reading working directory {}: not absolute", quoted(process.cwd));
  }
  const auto& groups = process.additional_gids;
  if (process.uid == kNobody || process.gid == kNobody ||
      std::find(groups.begin(), groups.end(), kNobody) != groups.end()) {
    fail(Errc::Invalid, "reading the user: {} is no ID of a user or group", kNobody);
  }
  if (process.oom_score_adj && (*process.oom_score_adj < -1000 || *process.oom_score_adj > 1000)) {
    fail(Errc::Invalid, "reading oom_score_adj {}: not in -1000..1000", *process.oom_score_adj);
  }
  for (const std::string& cpus : {process.initial_cpu_affinity, process.final_cpu_affinity})
    (void)NumberMask::parse(cpus, "CPU affinity");
}

namespace {

void check_mount(const ContainerMount& mount) {
  check_text("mount target", mount.target);
  for (const std::string& option : mount.data)
    check_text("mount option", option);
  if (!mount.target.starts_with('/'))
    fail(Errc::Invalid, "reading mount target {}: not an absolute path", quoted(mount.target));
  const bool is_root = RelPath::parse(mount.target).is_root();
  if (is_root && (mount.copies_up || mount.type == "cgroup" || mount.copies_symlink))
    fail(Errc::Invalid, "reading mount target {}: such a mount cannot be the root",
         quoted(mount.target));
  if (mount.type == "bind" && !mount.source_fd) {
    fail(Errc::Invalid, "reading mount {}: a bind mount without source", quoted(mount.target));
  }
}

void check_device(const ContainerDevice& device) {
  check_text("device", device.path);
  if (!device.path.starts_with('/') || RelPath::parse(device.path).is_root()) {
    fail(Errc::Invalid, "reading device {}: not a path below '/'", quoted(device.path));
  }
  if (device.type != 'c' && device.type != 'b' && device.type != 'p') {
    fail(Errc::Invalid, "reading device {}: its type is neither c, b nor p", quoted(device.path));
  }
  if (device.major > kMaxDeviceMajor || device.minor > kMaxDeviceMinor) {
    fail(Errc::Invalid, "reading device {}: {}:{} is no device number", quoted(device.path),
         device.major, device.minor);
  }
  if (device.uid == kNobody || device.gid == kNobody) {
    fail(Errc::Invalid, "reading device {}: {} is no ID of a user or group", quoted(device.path),
         kNobody);
  }
}

/// Not the caller's own, by whatever name.
bool is_apart(const Namespace& wanted, const char* kind) {
  if (!wanted.is_joined()) return wanted.is_new();
  struct stat own {};
  struct stat joined {};
  const std::string path = std::string("/proc/self/ns/") + kind;
  return ::stat(path.c_str(), &own) == 0 && ::stat(wanted.path.c_str(), &joined) == 0 &&
         (own.st_dev != joined.st_dev || own.st_ino != joined.st_ino);
}

/// Sysctls that belong to a namespace of the container; others would change the host.
void check_sysctl(const std::string& path, const std::string& name, const Namespaces& namespaces) {
  constexpr std::array<std::string_view, 8> kIpc = {
      "kernel/msgmax", "kernel/msgmnb", "kernel/msgmni", "kernel/sem",
      "kernel/shmall", "kernel/shmmax", "kernel/shmmni", "kernel/shm_rmid_forced"};
  const bool is_ipc =
      std::find(kIpc.begin(), kIpc.end(), path) != kIpc.end() || path.starts_with("fs/mqueue/");
  const bool is_network = path.starts_with("net/");
  const bool is_uts = path == "kernel/domainname";
  if ((is_ipc && namespaces.ipc.is_new()) || (is_network && is_apart(namespaces.network, "net")) ||
      (is_uts && namespaces.uts.is_new())) {
    return;
  }
  fail(Errc::Invalid, "setting sysctl {}: it does not belong to a namespace of the container",
       quoted(name));
}

/// Of ranges that begin at `first`; sorted by it afterwards.
void check_ranges(std::vector<IdMapping>& mappings, std::uint32_t IdMapping::*first) {
  std::sort(mappings.begin(), mappings.end(),
            [&](const IdMapping& a, const IdMapping& b) { return a.*first < b.*first; });
  std::uint64_t end = 0;
  for (const IdMapping& mapping : mappings) {
    const std::uint64_t begin = mapping.*first;
    if (begin < end) fail(Errc::Invalid, "mapping ids: {} is mapped twice", begin);
    end = begin + mapping.size;
    if (end > kNobody)
      fail(Errc::Invalid, "mapping ids: {} and {} more is beyond the last id", begin, mapping.size);
  }
}

/// user_namespaces(7): what the kernel takes.
void check_list(std::vector<IdMapping> mappings) {
  constexpr std::size_t kMost = 340;
  if (mappings.size() > kMost)
    fail(Errc::Limit, "mapping ids: {} ranges, and the kernel takes {}", mappings.size(), kMost);
  for (const IdMapping& mapping : mappings)
    if (mapping.size == 0)
      fail(Errc::Invalid, "mapping ids: the range at {} is empty", mapping.container_id);
  check_ranges(mappings, &IdMapping::container_id);
  check_ranges(mappings, &IdMapping::host_id);
}

void check_mappings(const ContainerSpec& spec) {
  for (const auto* list : {&spec.uid_mappings, &spec.gid_mappings})
    check_list(*list);
  for (const ContainerMount& mount : spec.mounts)
    for (const auto* list : {&mount.uid_mappings, &mount.gid_mappings})
      check_list(*list);

  const bool has_mappings = !spec.uid_mappings.empty() || !spec.gid_mappings.empty();
  if (!spec.namespaces.user.is_new() && has_mappings) {
    fail(Errc::Invalid, "mapping ids: the container has no user namespace");
  }
  if (spec.namespaces.user.is_new() && (spec.uid_mappings.empty() || spec.gid_mappings.empty())) {
    fail(Errc::Invalid, "mapping ids: a user namespace needs uid and gid mappings");
  }
}

/// Those of a namespace that others are in, too, cannot change.
void check_time_offsets(const ContainerSpec& spec) {
  if (!spec.monotonic_offset && !spec.boottime_offset) return;
  if (!spec.namespaces.time.is_new())
    fail(Errc::Invalid, "setting the time offsets: the container has no new time namespace");
}

/// The container would have no root left that programs see, and they would not notice.
void check_masked_path(const std::string& path) {
  check_text("masked path", path);
  const std::vector<std::string_view> parts = split(path, '/');
  const bool is_root = std::all_of(parts.begin(), parts.end(), [](std::string_view part) {
    return part.empty() || part == "." || part == "..";
  });
  if (is_root) fail(Errc::Invalid, "masking path {}: it is the root", quoted(path));
}

/// Two names of one: which comes last would be chance.
void check_sysctls(const ContainerSpec& spec) {
  std::map<std::string, std::string> by_path;
  for (const auto& [name, value] : spec.sysctls) {
    check_text("value of sysctl", value);
    const std::string path = sysctl_path(name);
    check_sysctl(path, name, spec.namespaces);
    if (const auto [other, is_new] = by_path.emplace(path, name); !is_new)
      fail(Errc::Invalid, "setting sysctl {}: {} is the same one", quoted(name),
           quoted(other->second));
    if (path == "kernel/domainname" && !spec.domainname.empty() && value != spec.domainname)
      fail(Errc::Invalid, "setting domain name {}: sysctl kernel.domainname says {}",
           quoted(spec.domainname), quoted(value));
  }
}

}  // namespace

void check_id(const std::string& id) {
  const bool valid = !id.empty() && id.size() <= kMaxId && id.front() != '.' && id.front() != '-' &&
                     std::all_of(id.begin(), id.end(), [](char c) {
                       return is_alphanumeric(c) || c == '_' || c == '.' || c == '-' || c == '+';
                     });
  if (!valid) {
    fail(Errc::Invalid,
         "invalid container ID format: {}: it has an invalid character (not a letter, digit or one "
         "of "
         "_+-.), or begins with '.' or '-'",
         quoted(id));
  }
}

std::string sysctl_path(const std::string& name) {
  std::string path = name;
  const std::size_t first = name.find_first_of("./");
  if (first != std::string::npos && name[first] == '.') {
    for (char& c : path) {
      if (c == '.') {
        c = '/';
      } else if (c == '/') {
        c = '.';
      }
    }
  }
  if (path.find('\0') != std::string::npos || RelPath::parse(path).str() != path || path.empty()) {
    fail(Errc::Invalid, "setting sysctl {}: not a name of a sysctl", quoted(name));
  }
  return path;
}

void check_spec(const ContainerSpec& spec) {
  check_supported(spec);
  check_id(spec.id);
  check_text("host name", spec.hostname);
  if (spec.hostname.size() > kMaxHostname) {
    fail(Errc::Invalid, "setting host name {}: longer than 64 bytes", quoted(spec.hostname));
  }
  if (!spec.hostname.empty() && spec.namespaces.uts.from == Namespace::From::Caller) {
    fail(Errc::Invalid, "setting host name {}: the container has no uts namespace",
         quoted(spec.hostname));
  }
  check_text("domain name", spec.domainname);
  if (spec.domainname.size() > kMaxHostname) {
    fail(Errc::Invalid, "setting domain name {}: longer than 64 bytes", quoted(spec.domainname));
  }
  if (!spec.domainname.empty() && spec.namespaces.uts.from == Namespace::From::Caller) {
    fail(Errc::Invalid, "setting domain name {}: the container has no uts namespace",
         quoted(spec.domainname));
  }
  check_process(spec.process);
  check_mappings(spec);
  check_time_offsets(spec);
  if (spec.memory_policy) (void)NumberMask::parse(spec.memory_policy->nodes, "memory nodes");
  for (const ContainerDevice& device : spec.devices)
    check_device(device);
  check_resources(spec.resources);
  for (const ContainerMount& mount : spec.mounts)
    check_mount(mount);
  for (const std::string& path : spec.masked_paths)
    check_masked_path(path);
  for (const std::string& path : spec.read_only_paths)
    check_text("read-only path", path);
  check_sysctls(spec);
}

}  // namespace layerkit::runner
