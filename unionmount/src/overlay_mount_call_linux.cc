#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "kernel_log.h"
#include "overlay_mount.h"
#include "passing_mount_point.h"

namespace layerkit {
namespace {

/// Calls mount(2) where relative paths start at /proc/self/fd. Returns 0 or the errno.
/// A working directory belongs to the whole process, unless a thread asks for one of its own.
int mount_in_fd_directory(const std::string& target, unsigned long flags, const std::string& data) {
  int err = 0;
  std::thread([&] {
    const bool done = ::unshare(CLONE_FS) == 0 && ::chdir("/proc/self/fd") == 0 &&
                      ::mount("overlay", target.c_str(), "overlay", flags, data.c_str()) == 0;
    if (!done) err = errno;
  }).join();
  return err;
}

}  // namespace

Fd mount_overlay_by_mount_call(const OverlayPlan& plan) {
  const std::string data = overlay_mount_data(plan, max_mount_data());
  const PassingMountPoint place;
  const KernelLogTail kernel_log;
  const int err = mount_in_fd_directory(place.path(), mount_call_flags(plan.attributes), data);
  if (err != 0) fail_overlay_refused(plan, err, kernel_log.last_with_prefix("overlay"));
  return place.clone(plan.attributes);
}

}  // namespace layerkit
