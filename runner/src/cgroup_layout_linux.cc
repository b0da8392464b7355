#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "cgroup.h"
#include "layerkit/base/text.h"
#include "mount_table.h"

namespace layerkit::runner {
namespace {

constexpr char kUsualPlace[] = "/sys/fs/cgroup";
constexpr std::string_view kName = "name=";
/// Of every hierarchy's root directory, and of the cgroup namespace that the system starts with
/// (linux/nsfs.h).
constexpr ino_t kRootInode = 1;
constexpr ino_t kInitialCgroupNamespace = 0xEFFFFFFB;

/// Paths in /proc/self/cgroup begin at the root of the hierarchy.
bool in_initial_cgroup_namespace() {
  struct stat stat {};
  return ::stat("/proc/self/ns/cgroup", &stat) == 0 && stat.st_ino == kInitialCgroupNamespace;
}

/// Whether the root of a hierarchy is mounted there.
bool has_hierarchy(const std::string& place, long magic) {
  struct stat stat {};
  if (::lstat(place.c_str(), &stat) != 0 || !S_ISDIR(stat.st_mode)) return false;
  struct statfs fs {};
  return stat.st_ino == kRootInode && ::statfs(place.c_str(), &fs) == 0 && fs.f_type == magic;
}

struct SelfLine {
  std::string_view controllers;  ///< "cpu,cpuacct", "name=systemd"; "" for v2
  std::string_view path;
};

/// cgroups(7): "5:cpuacct,cpu:/path".
std::optional<SelfLine> parse_self_line(std::string_view line) {
  const auto first = line.find(':');
  const auto second = first == line.npos ? first : line.find(':', first + 1);
  if (second == line.npos) return std::nullopt;
  return SelfLine{line.substr(first + 1, second - first - 1), line.substr(second + 1)};
}

std::optional<CgroupHierarchy> find_usual_v1(std::string_view controllers) {
  CgroupHierarchy found;
  if (controllers.starts_with(kName)) {
    found.mount_point = fmt::format("{}/{}", kUsualPlace, controllers.substr(kName.size()));
    found.controllers.emplace_back(controllers);
  } else {
    found.mount_point = fmt::format("{}/{}", kUsualPlace, controllers);
    for (const std::string_view controller : split(controllers, ','))
      found.controllers.emplace_back(controller);
  }
  if (!has_hierarchy(found.mount_point, CGROUP_SUPER_MAGIC)) return std::nullopt;
  return found;
}

/// v2 is beside v1 where a system has both.
std::optional<CgroupHierarchy> find_usual_v2(std::string_view path) {
  for (const char* const place : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
    if (has_hierarchy(place, CGROUP2_SUPER_MAGIC))
      return CgroupHierarchy{place, {}, path == "/" ? std::string() : std::string(path)};
  }
  return std::nullopt;
}

}  // namespace

std::optional<CgroupLayout> find_usual_cgroups(std::string_view self_cgroup) {
  if (!in_initial_cgroup_namespace()) return std::nullopt;
  CgroupLayout layout;
  for (const std::string_view text : split(self_cgroup, '\n')) {
    const std::optional<SelfLine> line = parse_self_line(text);
    if (!line) continue;
    if (line->controllers.empty()) {
      layout.v2 = find_usual_v2(line->path);
      continue;
    }
    std::optional<CgroupHierarchy> hierarchy = find_usual_v1(line->controllers);
    if (!hierarchy) return std::nullopt;
    layout.v1.push_back(std::move(*hierarchy));
  }
  if (layout.v1.empty() && !layout.v2) return std::nullopt;
  return layout;
}

CgroupLayout read_cgroup_layout() {
  const std::string self_cgroup = read_proc("/proc/self/cgroup");
  if (auto usual = find_usual_cgroups(self_cgroup)) return std::move(*usual);
  return parse_cgroup_layout(read_proc("/proc/self/mountinfo"), self_cgroup);
}

}  // namespace layerkit::runner
