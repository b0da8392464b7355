#include <sys/mount.h>

#include <array>
#include <cerrno>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/rel_path.h"
#include "layerkit/base/text.h"
#include "plan.h"
#include "trees.h"

namespace layerkit::runner {
namespace {

constexpr std::string_view kDev = "dev";

struct UsualDevice {
  const char* name;
  const char* host_path;
  unsigned major;
  unsigned minor;
};

constexpr std::array<UsualDevice, 6> kUsualDevices = {{{"null", "/dev/null", 1, 3},
                                                       {"zero", "/dev/zero", 1, 5},
                                                       {"full", "/dev/full", 1, 7},
                                                       {"random", "/dev/random", 1, 8},
                                                       {"urandom", "/dev/urandom", 1, 9},
                                                       {"tty", "/dev/tty", 5, 0}}};

constexpr std::array<std::array<const char*, 2>, 6> kUsualLinks = {{{"ptmx", "pts/ptmx"},
                                                                    {"fd", "/proc/self/fd"},
                                                                    {"stdin", "/proc/self/fd/0"},
                                                                    {"stdout", "/proc/self/fd/1"},
                                                                    {"stderr", "/proc/self/fd/2"},
                                                                    {"core", "/proc/kcore"}}};

const char* filesystem_of(MountKind kind) {
  switch (kind) {
    case MountKind::Tmpfs:
    case MountKind::Cgroup:
      return "tmpfs";
    case MountKind::Proc:
      return "proc";
    case MountKind::Sysfs:
      return "sysfs";
    case MountKind::Devpts:
      return "devpts";
    case MountKind::Mqueue:
      return "mqueue";
    case MountKind::Bind:
      break;
  }
  return nullptr;
}

TargetPlace place_of(const RelPath& target) {
  static const RelPath proc = RelPath::parse("proc");
  static const RelPath sys = RelPath::parse("sys");
  if (proc.contains(target)) return TargetPlace::BelowProc;
  return sys.contains(target) ? TargetPlace::BelowSys : TargetPlace::Ordinary;
}

std::string mount_name(const std::string& what, const std::string& target) {
  return "mounting " + quoted(what) + " on " + quoted(target);
}

}  // namespace

std::span<const FsOption> Plan::keep_options(const std::string& filesystem,
                                             const std::string& text) {
  std::vector<FsOption>& options = options_.emplace_back();
  options.push_back({"source", keep_text(filesystem)});
  for (const std::string_view option : split(text, ',')) {
    if (option.empty()) continue;
    const std::size_t equals = option.find('=');
    const std::string key(option.substr(0, equals));
    if (equals == std::string_view::npos) {
      options.push_back({keep_text(key), nullptr});
      continue;
    }
    const std::string value(option.substr(equals + 1));
    // A group that does not exist in the user namespace would be refused (devpts' gid=5).
    const bool is_unmapped_group =
        key == "gid" && !maps_group(static_cast<std::uint32_t>(parse_decimal(value).value_or(0)));
    if (!is_unmapped_group) options.push_back({keep_text(key), keep_text(value)});
  }
  return options;
}

void Plan::plan_mounts(const Cgroup& cgroup) {
  for (ContainerMount& mount : spec_.mounts) {
    plan_mount(mount);
    if (mount.kind == MountKind::Cgroup) plan_cgroup_mount(mount, cgroup);
  }
  mount_fds_.assign(mounts_.size(), -1);
  flat_.mounts = mounts_;
  flat_.mount_fds = mount_fds_;
  flat_.devices = devices_;
  flat_.links = links_;
}

void Plan::plan_mount(ContainerMount& mount) {
  const RelPath target = RelPath::parse(mount.target);
  PlannedMount planned;
  planned.filesystem = filesystem_of(mount.kind);
  planned.target = keep_text(target.str());
  planned.place = place_of(target);
  planned.refuses_symlink = mount.kind == MountKind::Proc || mount.kind == MountKind::Sysfs;
  const bool needs_nodev = !allows_devices_ && mount.kind != MountKind::Devpts;
  planned.attributes = mount_attributes(mount) | (needs_nodev ? MOUNT_ATTR_NODEV : 0U);
  if (planned.filesystem == nullptr) {
    planned.target_is_directory = stat_fd(mount.source.get()).type == FileType::Directory;
    planned.tree = keep_fd(clone_bind_source(mount, planned.attributes));
    mount.source.reset();
    mount_names_.push_back(mount_name(mount.source_name, mount.target));
  } else {
    planned.options = keep_options(planned.filesystem, mount.options);
    // Only after other mounts found or made their targets in it.
    planned.read_only_at_end = mount.read_only;
    mount_names_.push_back(
        mount_name(mount.kind == MountKind::Cgroup ? "cgroup" : planned.filesystem, mount.target));
  }
  mounts_.push_back(planned);
  if (mount.kind == MountKind::Tmpfs && target.str() == kDev) plan_devices(mounts_.size() - 1);
}

void Plan::plan_devices(std::size_t dev_mount) {
  mounts_[dev_mount].holds_devices = true;
  devices_.clear();
  for (const UsualDevice& device : kUsualDevices) {
    PlannedDevice planned{device.name, device.major, device.minor, -1};
    if (!allows_devices_) {
      planned.tree = keep_fd(clone_device(device.host_path, device.major, device.minor));
    }
    devices_.push_back(planned);
  }
  for (const auto& [name, target] : kUsualLinks) {
    links_.push_back(PlannedLink{dev_mount, name, target});
  }
}

/// v2: the container's own cgroup directory instead of the tmpfs just planned. v1: one directory
/// per hierarchy in that tmpfs. Without a cgroup it stays empty.
void Plan::plan_cgroup_mount(const ContainerMount& mount, const Cgroup& cgroup) {
  const std::size_t parent = mounts_.size() - 1;
  const std::uint64_t attributes =
      mounts_[parent].attributes | (mount.read_only ? MOUNT_ATTR_RDONLY : 0U);
  mounts_[parent].options = keep_options("cgroup", "mode=755,size=64k");
  for (const CgroupView& view : cgroup.views()) {
    PlannedMount planned;
    planned.tree = keep_fd(clone_directory(view.directory, attributes));
    planned.place = mounts_[parent].place;
    if (view.name.empty()) {
      planned.target = mounts_[parent].target;
      mounts_[parent] = planned;
      return;
    }
    planned.target = keep_text(std::string(mounts_[parent].target) + "/" + view.name);
    mounts_.push_back(planned);
    mount_names_.push_back(mount_name("cgroup " + view.name, mount.target + "/" + view.name));
    for (const std::string& alias : view.aliases) {
      links_.push_back(PlannedLink{parent, keep_text(alias), keep_text(view.name)});
    }
  }
}

}  // namespace layerkit::runner
