#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "container_resources.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

constexpr std::size_t kMaxDevices = 4096;
constexpr int kMaxDepth = 16;

bool is_device(const struct stat& status) {
  return S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode);
}

ContainerDevice node_of(const struct stat& status, std::string path) {
  ContainerDevice device;
  device.path = std::move(path);
  device.type = S_ISBLK(status.st_mode) ? 'b' : 'c';
  device.major = ::major(status.st_rdev);
  device.minor = ::minor(status.st_rdev);
  device.mode = status.st_mode & 07777U;
  device.uid = status.st_uid;
  device.gid = status.st_gid;
  return device;
}

Resources::DeviceRule rule_of(const ContainerDevice& device, const std::string& access) {
  Resources::DeviceRule rule;
  rule.allow = true;
  rule.type = device.type;
  rule.major = device.major;
  rule.minor = device.minor;
  rule.access = access;
  return rule;
}

/// Docker's list: the container has its own of these.
bool is_left_out(std::string_view path) {
  constexpr std::array<std::string_view, 8> kOwn = {"/dev/pts",         "/dev/shm",  "/dev/fd",
                                                    "/dev/mqueue",      "/dev/ptmx", "/dev/console",
                                                    "/dev/.lxd-mounts", "/dev/.udev"};
  return std::find(kOwn.begin(), kOwn.end(), path) != kOwn.end();
}

/// The nodes below `directory`; names that go while it is read are passed over.
void collect_nodes(const Fd& directory,
                   const std::string& host,
                   const std::string& container,
                   int depth,
                   std::vector<ContainerDevice>& devices) {
  if (depth > kMaxDepth) return;
  for (const auto& entry : list_dir(directory.get())) {
    if (is_left_out(host + "/" + entry.name)) continue;
    struct stat status {};
    if (::fstatat(directory.get(), entry.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (S_ISDIR(status.st_mode)) {
      const auto below =
          open_at_if_exists(directory.get(), entry.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      if (below) {
        collect_nodes(*below, host + "/" + entry.name, container + "/" + entry.name, depth + 1,
                      devices);
      }
    } else if (is_device(status)) {
      if (devices.size() >= kMaxDevices)
        fail(Errc::Limit, "listing the devices in {}: more than {}", quoted(host), kMaxDevices);
      devices.push_back(node_of(status, container + "/" + entry.name));
    }
  }
}

std::vector<ContainerDevice> nodes_below(const std::string& host, const std::string& container) {
  std::vector<ContainerDevice> devices;
  collect_nodes(open_dir_at(AT_FDCWD, host), host, container, 0, devices);
  return devices;
}

std::vector<ContainerDevice> nodes_of(const DeviceMapping& mapping) {
  struct stat status {};
  if (::stat(mapping.host.c_str(), &status) != 0) {
    fail_errno(errno, "gathering device information while adding custom device {}",
               quoted(mapping.host));
  }
  if (is_device(status)) return {node_of(status, mapping.container)};
  const bool is_directory = S_ISDIR(status.st_mode);
  auto devices =
      is_directory ? nodes_below(mapping.host, mapping.container) : std::vector<ContainerDevice>();
  if (devices.empty()) {
    fail(Errc::Invalid, "gathering device information while adding custom device {}: not a device",
         quoted(mapping.host));
  }
  return devices;
}

}  // namespace

std::vector<ContainerDevice> plan_devices(const HostOptions& options,
                                          std::vector<Resources::DeviceRule>& rules) {
  if (options.privileged) {
    Resources::DeviceRule everything;
    everything.allow = true;
    rules.push_back(everything);
  }
  std::vector<ContainerDevice> devices;
  const auto add = [&](ContainerDevice device) {
    std::erase_if(devices, [&](const auto& other) { return other.path == device.path; });
    devices.push_back(std::move(device));
  };
  if (options.privileged) devices = nodes_below("/dev", "/dev");
  for (const auto& mapping : options.devices) {
    for (auto& device : nodes_of(mapping)) {
      rules.push_back(rule_of(device, mapping.access));
      add(std::move(device));
    }
  }
  for (const auto& rule : options.device_cgroup_rules)
    rules.push_back(parse_device_rule(rule));
  return devices;
}

}  // namespace layerkit
