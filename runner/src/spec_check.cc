#include "spec_check.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "cgroup.h"
#include "layerkit/base/error.h"
#include "layerkit/base/rel_path.h"
#include "layerkit/base/text.h"

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

/// sched(7), "SCHED_DEADLINE".
void check_scheduler(const ProcessSpec& process) {
  constexpr unsigned kDeadline = 6;
  constexpr std::uint64_t kLeast = 1024;
  constexpr std::uint64_t kMost = (1ULL << 63U) - 1;
  if (!process.scheduler || process.scheduler->policy != kDeadline) return;
  const Scheduler& wanted = *process.scheduler;
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

}  // namespace

void check_process(const ProcessSpec& process) {
  check_scheduler(process);
  if (process.args.empty() || process.args.front().empty()) {
    fail(Errc::Invalid, "reading the command: it is empty");
  }
  for (const std::string& argument : process.args)
    check_text("argument", argument);
  for (const std::string& variable : process.env) {
    check_text("environment variable", variable);
    if (variable.find('=') == std::string::npos || variable.front() == '=') {
      fail(Errc::Invalid, "reading environment variable {}: not KEY=VALUE", quoted(variable));
    }
  }
  check_text("working directory", process.cwd);
  if (!process.cwd.starts_with('/')) {
    fail(Errc::Invalid, "reading working directory {}: not absolute", quoted(process.cwd));
  }
  // setresuid(2) and its like take it for "as before".
  constexpr std::uint32_t kNobody = UINT32_MAX;
  const auto& groups = process.additional_gids;
  if (process.uid == kNobody || process.gid == kNobody ||
      std::find(groups.begin(), groups.end(), kNobody) != groups.end()) {
    fail(Errc::Invalid, "reading the user: {} is no ID of a user or group", kNobody);
  }
  if (process.oom_score_adj && (*process.oom_score_adj < -1000 || *process.oom_score_adj > 1000)) {
    fail(Errc::Invalid, "reading oom_score_adj {}: not in -1000..1000", *process.oom_score_adj);
  }
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

void check_mappings(const ContainerSpec& spec) {
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
  if (const auto sysctl = spec.sysctls.find("kernel.domainname");
      !spec.domainname.empty() && sysctl != spec.sysctls.end() &&
      sysctl->second != spec.domainname) {
    fail(Errc::Invalid, "setting domain name {}: sysctl kernel.domainname says {}",
         quoted(spec.domainname), quoted(sysctl->second));
  }
  if (!spec.domainname.empty() && spec.namespaces.uts.from == Namespace::From::Caller) {
    fail(Errc::Invalid, "setting domain name {}: the container has no uts namespace",
         quoted(spec.domainname));
  }
  check_process(spec.process);
  check_mappings(spec);
  check_time_offsets(spec);
  for (const ContainerDevice& device : spec.devices)
    check_device(device);
  check_resources(spec.resources);
  for (const ContainerMount& mount : spec.mounts)
    check_mount(mount);
  for (const std::string& path : spec.masked_paths)
    check_text("masked path", path);
  for (const std::string& path : spec.read_only_paths)
    check_text("read-only path", path);
  for (const auto& [name, value] : spec.sysctls) {
    check_text("value of sysctl", value);
    check_sysctl(sysctl_path(name), name, spec.namespaces);
  }
}

}  // namespace layerkit::runner
