#include "cgroup.h"

#include <algorithm>
#include <array>

#include "cgroup_files.h"
#include "layerkit/base/error.h"
#include "layerkit/base/rel_path.h"
#include "layerkit/base/text.h"
#include "layerkit/runner/container.h"
#include "mount_table.h"

namespace layerkit::runner {
namespace {

/// All there are (cgroups(7)), and what is mounted with a name. A container joins every hierarchy.
constexpr std::array<std::string_view, 14> kControllersV1 = {
    "blkio",  "cpu",     "cpuacct",  "cpuset",     "devices", "freezer", "hugetlb",
    "memory", "net_cls", "net_prio", "perf_event", "pids",    "rdma",    "misc"};
constexpr std::string_view kName = "name=";

/// A hierarchy that is only named has its name for a controller.
std::vector<std::string> controllers_of(std::string_view super_options) {
  std::vector<std::string> found;
  std::string_view name;
  for (const std::string_view option : split(super_options, ',')) {
    if (std::find(kControllersV1.begin(), kControllersV1.end(), option) != kControllersV1.end())
      found.emplace_back(option);
    if (option.starts_with(kName)) name = option;
    // Android's: its files have other names.
    if (option == "noprefix") return {};
  }
  if (found.empty() && name.size() > kName.size()) found.push_back(decode_octal(name));
  return found;
}

/// The path of "0::PATH" as seen below a mount whose root is `mount_root`.
std::string own_v2_path(std::string_view self_cgroup, std::string_view mount_root) {
  for (std::string_view line : split(self_cgroup, '\n')) {
    if (!line.starts_with("0::/")) continue;
    line.remove_prefix(3);
    if (mount_root != "/" && line.starts_with(mount_root)) line.remove_prefix(mount_root.size());
    return line == "/" ? std::string() : std::string(line);
  }
  return {};
}

bool known(const std::vector<CgroupHierarchy>& hierarchies, const std::string& controller) {
  return std::any_of(hierarchies.begin(), hierarchies.end(), [&](const CgroupHierarchy& each) {
    return std::find(each.controllers.begin(), each.controllers.end(), controller) !=
           each.controllers.end();
  });
}

void check_path(const std::string& path) {
  const RelPath canonical = RelPath::parse(path);
  if (canonical.is_root() || canonical.str() != path) {
    fail(Errc::Invalid, "reading cgroup path {}: not a relative path", quoted(path));
  }
}

}  // namespace

CgroupLayout parse_cgroup_layout(std::string_view mountinfo, std::string_view self_cgroup) {
  CgroupLayout layout;
  for (const std::string_view line : split(mountinfo, '\n')) {
    const std::optional<MountLine> mount = parse_mount_line(line);
    if (!mount) continue;
    if (mount->type == "cgroup2" && !layout.v2) {
      layout.v2 = CgroupHierarchy{mount->mount_point, {}, own_v2_path(self_cgroup, mount->root)};
    }
    if (mount->type != "cgroup") continue;
    std::vector<std::string> controllers = controllers_of(mount->super_options);
    // A hierarchy mounted twice is used once.
    if (controllers.empty() || known(layout.v1, controllers.front())) continue;
    layout.v1.push_back(CgroupHierarchy{mount->mount_point, std::move(controllers), {}});
  }
  return layout;
}

std::unique_ptr<Cgroup> make_cgroup(const CgroupLayout& layout,
                                    const std::string& path,
                                    const Resources& resources,
                                    const Context& context) {
  check_path(path);
  // On a hybrid system the controllers are on v1; without any cgroup v1 code handles the empty set.
  if (layout.v1.empty() && layout.v2) {
    return make_cgroup_v2(*layout.v2, path, resources, context);
  }
  return make_cgroup_v1(layout.v1, path, resources, context);
}

void remove_empty_parents(const CgroupLayout& layout, const std::string& path) noexcept {
  for (const CgroupHierarchy& hierarchy : layout.v1)
    remove_parents(CgroupPlace{hierarchy.mount_point, path});
  if (layout.v2) remove_parents(CgroupPlace{layout.v2->mount_point, path});
}

std::unique_ptr<Cgroup> find_cgroup(const CgroupLayout& layout,
                                    const std::string& path,
                                    const std::vector<std::string>* directories) {
  check_path(path);
  const IsOurs is_ours = [directories](const std::string& directory) {
    return directories == nullptr ||
           std::find(directories->begin(), directories->end(), directory) != directories->end();
  };
  if (layout.v1.empty() && layout.v2) return find_cgroup_v2(*layout.v2, path, is_ours);
  return find_cgroup_v1(layout.v1, path, "", is_ours);
}

std::unique_ptr<Cgroup> find_nested_cgroup(const CgroupLayout& layout,
                                           const std::string& path,
                                           const std::string& nested) {
  check_path(path);
  check_path(nested);
  const IsOurs is_any = [](const std::string&) { return true; };
  if (layout.v1.empty() && layout.v2)
    return find_cgroup_v2(*layout.v2, path + "/" + nested, is_any);
  return find_cgroup_v1(layout.v1, path, nested, is_any);
}

}  // namespace layerkit::runner
