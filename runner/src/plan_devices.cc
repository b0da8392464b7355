#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>

#include "layerkit/base/rel_path.h"
#include "layerkit/base/text.h"
#include "plan.h"
#include "trees.h"

namespace layerkit::runner {
namespace {

constexpr std::string_view kDev = "dev";

struct UsualDevice {
  const char* path;
  unsigned major;
  unsigned minor;
};

/// config-linux.md, "Default Devices".
constexpr std::array<UsualDevice, 6> kUsualDevices = {{{"/dev/null", 1, 3},
                                                       {"/dev/zero", 1, 5},
                                                       {"/dev/full", 1, 7},
                                                       {"/dev/random", 1, 8},
                                                       {"/dev/urandom", 1, 9},
                                                       {"/dev/tty", 5, 0}}};

constexpr std::array<std::array<const char*, 2>, 6> kUsualLinks = {{{"ptmx", "pts/ptmx"},
                                                                    {"fd", "/proc/self/fd"},
                                                                    {"stdin", "/proc/self/fd/0"},
                                                                    {"stdout", "/proc/self/fd/1"},
                                                                    {"stderr", "/proc/self/fd/2"},
                                                                    {"core", "/proc/kcore"}}};

mode_t type_of(char type) noexcept {
  if (type == 'b') return S_IFBLK;
  return type == 'p' ? S_IFIFO : S_IFCHR;
}

}  // namespace

/// The usual ones, unless somebody else's /dev is bound there or the spec has others for them; then
/// those of the spec.
void Plan::plan_devices() {
  const auto dev = std::find_if(mounts_.begin(), mounts_.end(),
                                [](const PlannedMount& mount) { return mount.target == kDev; });
  const bool is_bound = dev != mounts_.end() && dev->filesystem == nullptr;
  flat_.has_own_dev = dev != mounts_.end();
  if (!is_bound) plan_usual_devices();
  // Into a file system of the container's own; a rootfs has its links or does without.
  if (!is_bound && dev != mounts_.end()) {
    for (const auto& [name, target] : kUsualLinks)
      links_.push_back(PlannedLink{static_cast<std::size_t>(dev - mounts_.begin()), name, target});
  }
  for (const ContainerDevice& device : spec_.devices)
    plan_device(device);
  flat_.devices = devices_;
}

void Plan::plan_usual_devices() {
  for (const UsualDevice& usual : kUsualDevices) {
    const bool is_replaced =
        std::any_of(spec_.devices.begin(), spec_.devices.end(),
                    [&](const ContainerDevice& device) { return device.path == usual.path; });
    // Podman without root binds the host's.
    const bool is_covered =
        std::any_of(spec_.mounts.begin(), spec_.mounts.end(),
                    [&](const ContainerMount& mount) { return mount.target == usual.path; });
    if (is_replaced || is_covered) continue;
    ContainerDevice device;
    device.path = usual.path;
    device.major = usual.major;
    device.minor = usual.minor;
    plan_device(device);
    devices_.back().may_be_there = !flat_.has_own_dev;
  }
}

/// The host's id of one in the container's user namespace; the id itself where nothing maps it.
std::uint32_t Plan::host_id(const std::vector<IdMapping>& mappings, std::uint32_t id) {
  for (const IdMapping& mapping : mappings) {
    if (id >= mapping.container_id && id - mapping.container_id < mapping.size)
      return mapping.host_id + (id - mapping.container_id);
  }
  return id;
}

Fd Plan::show_device(const ContainerDevice& device) {
  Fd made = device_nodes_.make(device, host_id(spec_.uid_mappings, device.uid),
                               host_id(spec_.gid_mappings, device.gid));
  return made ? std::move(made) : clone_device(device);
}

void Plan::plan_device(const ContainerDevice& device) {
  PlannedDevice planned;
  planned.path = keep_text(RelPath::parse(device.path).str());
  planned.mode = type_of(device.type) | device.mode;
  planned.number = ::makedev(device.major, device.minor);
  planned.uid = device.uid;
  planned.gid = device.gid;
  // Where nodes are dead, live ones are shown: new ones, or the host's.
  if (!makes_nodes_ && device.type != 'p') planned.tree = keep_fd(show_device(device));
  devices_.push_back(planned);
  device_names_.push_back(device.path);
}

}  // namespace layerkit::runner
