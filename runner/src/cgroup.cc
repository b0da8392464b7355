#include "cgroup.h"

#include <fcntl.h>

#include <algorithm>
#include <array>

#include "cgroup_files.h"
#include "layerkit/base/byte_stream.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/rel_path.h"
#include "layerkit/base/text.h"
#include "layerkit/runner/container.h"

namespace layerkit::runner {
namespace {

/// All there are (cgroups(7)), and what is mounted with a name. A container joins every hierarchy.
constexpr std::array<std::string_view, 14> kControllersV1 = {
    "blkio",  "cpu",     "cpuacct",  "cpuset",     "devices", "freezer", "hugetlb",
    "memory", "net_cls", "net_prio", "perf_event", "pids",    "rdma",    "misc"};
constexpr std::string_view kName = "name=";

/// mountinfo writes blanks and backslashes as \ooo.
std::string decode_octal(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 3 >= text.size()) {
      decoded += text[i];
      continue;
    }
    const int value = (text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0');
    decoded += static_cast<char>(value);
    i += 3;
  }
  return decoded;
}

struct MountLine {
  std::string root;
  std::string mount_point;
  std::string_view type;
  std::string_view super_options;
};

/// proc(5): "36 35 98:0 /root /mnt options optional... - type source super_options".
std::optional<MountLine> parse_mount_line(std::string_view line) {
  const std::vector<std::string_view> fields = split(line, ' ');
  const auto dash = std::find(fields.begin(), fields.end(), "-");
  if (fields.size() < 10 || fields.end() - dash < 4) return std::nullopt;
  return MountLine{decode_octal(fields[3]), decode_octal(fields[4]), dash[1], dash[3]};
}

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

std::unique_ptr<Cgroup> find_cgroup(const CgroupLayout& layout, const std::string& path) {
  check_path(path);
  if (layout.v1.empty() && layout.v2) return find_cgroup_v2(*layout.v2, path);
  return find_cgroup_v1(layout.v1, path, "");
}

std::unique_ptr<Cgroup> find_nested_cgroup(const CgroupLayout& layout,
                                           const std::string& path,
                                           const std::string& nested) {
  check_path(path);
  check_path(nested);
  if (layout.v1.empty() && layout.v2) return find_cgroup_v2(*layout.v2, path + "/" + nested);
  return find_cgroup_v1(layout.v1, path, nested);
}

}  // namespace layerkit::runner
