#include "layerkit/runner/container_spec.h"

namespace layerkit {
namespace {

ContainerMount mount_of(MountKind kind, const char* target, const char* options) {
  ContainerMount mount;
  mount.kind = kind;
  mount.target = target;
  mount.options = options;
  mount.no_suid = true;
  mount.no_exec = true;
  mount.no_dev = true;
  return mount;
}

}  // namespace

// moby, oci/defaults.go.
std::vector<ContainerMount> default_mounts() {
  std::vector<ContainerMount> mounts;
  mounts.push_back(mount_of(MountKind::Proc, "/proc", ""));
  mounts.push_back(mount_of(MountKind::Tmpfs, "/dev", "mode=755,size=65536k"));
  mounts.back().no_exec = false;
  mounts.back().no_dev = false;
  mounts.push_back(
      mount_of(MountKind::Devpts, "/dev/pts", "newinstance,ptmxmode=0666,mode=0620,gid=5"));
  mounts.back().no_dev = false;
  mounts.push_back(mount_of(MountKind::Sysfs, "/sys", ""));
  mounts.back().read_only = true;
  mounts.push_back(mount_of(MountKind::Cgroup, "/sys/fs/cgroup", ""));
  mounts.back().read_only = true;
  mounts.push_back(mount_of(MountKind::Mqueue, "/dev/mqueue", ""));
  mounts.push_back(mount_of(MountKind::Tmpfs, "/dev/shm", "mode=1777,size=65536k"));
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

}  // namespace layerkit
