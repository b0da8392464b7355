#include <sys/mount.h>

#include "layerkit/runner/container_spec.h"

namespace layerkit {
namespace {

constexpr std::uint64_t kHarmless = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV;

ContainerMount mount_of(const char* type,
                        const char* target,
                        std::uint64_t attributes,
                        std::vector<std::string> data) {
  ContainerMount mount;
  mount.type = type;
  mount.source = type;
  mount.target = target;
  mount.attributes.set = attributes;
  mount.data = std::move(data);
  return mount;
}

}  // namespace

// moby, oci/defaults.go.
std::vector<ContainerMount> default_mounts() {
  std::vector<ContainerMount> mounts;
  mounts.push_back(mount_of("proc", "/proc", kHarmless, {}));
  mounts.push_back(mount_of("tmpfs", "/dev", MOUNT_ATTR_NOSUID, {"mode=755", "size=65536k"}));
  mounts.push_back(mount_of("devpts", "/dev/pts", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
                            {"newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}));
  mounts.push_back(mount_of("sysfs", "/sys", kHarmless | MOUNT_ATTR_RDONLY, {}));
  mounts.push_back(mount_of("cgroup", "/sys/fs/cgroup", kHarmless | MOUNT_ATTR_RDONLY, {}));
  mounts.push_back(mount_of("mqueue", "/dev/mqueue", kHarmless, {}));
  mounts.push_back(mount_of("tmpfs", "/dev/shm", kHarmless, {"mode=1777", "size=65536k"}));
  return mounts;
}

std::vector<std::string> default_masked_paths() {
  return {"/proc/asound",     "/proc/acpi",        "/proc/interrupts",
          "/proc/kcore",      "/proc/keys",        "/proc/latency_stats",
          "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
          "/proc/scsi",       "/sys/firmware",     "/sys/devices/virtual/powercap"};
}

std::vector<std::string> default_read_only_paths() {
  return {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
}

std::vector<std::string> default_capabilities() {
  return {"CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FSETID",           "CAP_FOWNER",
          "CAP_MKNOD",   "CAP_NET_RAW",      "CAP_SETGID",           "CAP_SETUID",
          "CAP_SETFCAP", "CAP_SETPCAP",      "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT",
          "CAP_KILL",    "CAP_AUDIT_WRITE"};
}

Capabilities capabilities_of(std::vector<std::string> names, std::uint32_t uid) {
  Capabilities capabilities;
  if (uid == 0) capabilities.effective = capabilities.permitted = names;
  capabilities.bounding = std::move(names);
  return capabilities;
}

}  // namespace layerkit
