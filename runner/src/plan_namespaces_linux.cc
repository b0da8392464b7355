#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "plan.h"

namespace layerkit::runner {
namespace {

struct Kind {
  const char* name;  ///< in /proc/PID/ns
  int type;
};

/// The user namespace last: what is joined before it may belong to the caller's.
constexpr std::array<Kind, kNamespaceKinds> kKinds = {{{"cgroup", CLONE_NEWCGROUP},
                                                       {"ipc", CLONE_NEWIPC},
                                                       {"uts", CLONE_NEWUTS},
                                                       {"net", CLONE_NEWNET},
                                                       {"pid", CLONE_NEWPID},
                                                       {"mnt", CLONE_NEWNS},
                                                       {"time", CLONE_NEWTIME},
                                                       {"user", CLONE_NEWUSER}}};

const Namespace& of_type(const Namespaces& all, int type) {
  switch (type) {
    case CLONE_NEWCGROUP:
      return all.cgroup;
    case CLONE_NEWIPC:
      return all.ipc;
    case CLONE_NEWUTS:
      return all.uts;
    case CLONE_NEWNET:
      return all.network;
    case CLONE_NEWPID:
      return all.pid;
    case CLONE_NEWNS:
      return all.mount;
    case CLONE_NEWTIME:
      return all.time;
    default:
      return all.user;
  }
}

bool is_same_file(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/// Whether the caller is in that namespace itself: setns(2) into one's own user namespace fails.
bool is_own(const struct stat& status, const char* kind) {
  struct stat own {};
  return ::stat(fmt::format("/proc/self/ns/{}", kind).c_str(), &own) == 0 &&
         is_same_file(own, status);
}

std::string offset_line(const char* clock, const std::optional<TimeOffset>& offset) {
  if (!offset) return {};
  return fmt::format("{} {} {}\n", clock, offset->secs, offset->nanosecs);
}

bool maps_root(const std::vector<IdMapping>& mappings) {
  return std::any_of(mappings.begin(), mappings.end(), [](const IdMapping& mapping) {
    return mapping.container_id == 0 && mapping.size > 0;
  });
}

/// "/proc/PID/ns/user" -> "/proc/PID/gid_map".
std::string gid_map_beside(const std::string& path) {
  constexpr std::string_view kEnd = "/ns/user";
  if (!path.starts_with("/proc/") || !path.ends_with(kEnd)) return {};
  return path.substr(0, path.size() - kEnd.size()) + "/gid_map";
}

}  // namespace

void Plan::plan_join(const std::string& path, int type, const char* kind) {
  const std::string doing = fmt::format("joining the {} namespace {}", kind, quoted(path));
  Fd fd = with_context([&] { return doing; },
                       [&] {
                         // Whatever is there, opening it neither waits nor gives this process a
                         // terminal.
                         return open_at(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
                       });
  const int found = ::ioctl(fd.get(), NS_GET_NSTYPE);
  if (found != type) fail(Errc::Invalid, "{}: it is no {} namespace", doing, kind);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) fail_errno(errno, "{}", doing);
  if (type == CLONE_NEWUSER) {
    if (is_own(status, kind)) return;
    gid_map_ = gid_map_beside(path);
    flat_.may_have_mapped_root = true;
  }
  namespaces_.push_back(PlannedJoin{keep_fd(std::move(fd)), type});
  join_names_.push_back(doing);
}

void Plan::plan_namespaces() {
  const Namespaces& all = spec_.namespaces;
  for (const Kind& kind : kKinds) {
    const Namespace& wanted = of_type(all, kind.type);
    if (wanted.is_joined()) plan_join(wanted.path, kind.type, kind.name);
    // A cgroup namespace comes later: its root is the cgroup that the child joins first. One of
    // time needs its offsets before it has a process.
    const bool is_for_clone = kind.type != CLONE_NEWCGROUP && kind.type != CLONE_NEWTIME;
    if (wanted.is_new() && is_for_clone) flat_.clone_flags |= static_cast<unsigned>(kind.type);
  }
  flat_.namespaces = namespaces_;
  flat_.makes_time_namespace = all.time.is_new();
  const std::string offsets = offset_line("monotonic", spec_.monotonic_offset) +
                              offset_line("boottime", spec_.boottime_offset);
  if (!offsets.empty()) flat_.time_offsets = keep_text(offsets);
  flat_.has_stage = !namespaces_.empty() || flat_.makes_time_namespace;
  flat_.stage_makes_user_namespace = flat_.has_stage && all.user.is_new();
  if (flat_.stage_makes_user_namespace) flat_.clone_flags &= ~std::uint64_t{CLONE_NEWUSER};
  flat_.waits_for_mappings = all.user.is_new() && !flat_.has_stage;
  flat_.has_mapped_root = maps_root(spec_.uid_mappings) && maps_root(spec_.gid_mappings);
  flat_.owns_mounts = all.mount.is_new();
  flat_.unshares_cgroup = all.cgroup.is_new();
  if (options_.network) {
    flat_.clone_flags &= ~std::uint64_t{CLONE_NEWNET};
    flat_.network = keep_fd(std::move(options_.network));
  } else {
    flat_.raises_loopback = all.network.is_new();
  }
}

/// By the pidfd alone: the kernel joins all of them at once, or none.
void Plan::plan_container_namespaces(const ContainerInit& init) {
  int types = 0;
  for (const Kind& kind : kKinds) {
    struct stat status {};
    const std::string path = fmt::format("/proc/{}/ns/{}", init.pid, kind.name);
    if (::stat(path.c_str(), &status) != 0) {
      if (errno == ENOENT && kind.type == CLONE_NEWTIME) continue;  // a kernel without them
      fail_errno(errno, "joining the container's {} namespace", kind.name);
    }
    if (!is_own(status, kind.name)) types |= kind.type;
  }
  spec_.namespaces.user.from =
      (types & CLONE_NEWUSER) != 0 ? Namespace::From::Path : Namespace::From::Caller;
  flat_.may_have_mapped_root = (types & CLONE_NEWUSER) != 0;
  gid_map_ = fmt::format("/proc/{}/gid_map", init.pid);
  flat_.has_stage = true;
  if (types == 0) return;
  namespaces_.push_back(PlannedJoin{keep_fd(init.pidfd.duplicate()), types});
  join_names_.emplace_back("joining the container's namespaces");
  flat_.namespaces = namespaces_;
}

}  // namespace layerkit::runner
