#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <thread>

#include "kernel_log.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "overlay_mount.h"

namespace layerkit {
namespace {

/// A directory to mount on for a moment, which nobody else can reach: below a new directory of
/// mode 0700 in sticky /tmp, bound to itself and private, so that no mount spreads to other
/// namespaces.
class PassingMountPoint final {
 public:
  PassingMountPoint() {
    if (::mkdtemp(directory_.data()) == nullptr)
      fail_errno(errno, "creating a directory in /tmp to mount on");
    try {
      prepare();
    } catch (const Error&) {
      remove();
      throw;
    }
  }
  PassingMountPoint(const PassingMountPoint&) = delete;
  PassingMountPoint& operator=(const PassingMountPoint&) = delete;
  ~PassingMountPoint() { remove(); }

  const std::string& path() const noexcept { return mount_point_; }

 private:
  void prepare() {
    const char* path = directory_.c_str();
    if (::mount(path, path, nullptr, MS_BIND, nullptr) < 0)
      fail_errno(errno, "binding the directory to mount on");
    if (::mount(nullptr, path, nullptr, MS_PRIVATE, nullptr) < 0)
      fail_errno(errno, "making the directory to mount on private");
    mount_point_ = directory_ + "/union";
    make_dir_at(AT_FDCWD, mount_point_, 0700);
  }

  void remove() noexcept {
    // Takes the union below along; fails harmlessly when the bind was not made.
    ::umount2(directory_.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
    if (!mount_point_.empty()) ::rmdir(mount_point_.c_str());
    ::rmdir(directory_.c_str());
  }

  std::string directory_ = "/tmp/layerkit-mount-XXXXXX";
  std::string mount_point_;
};

unsigned long mount_flags(const MountAttributes& attributes) noexcept {
  unsigned long flags = 0;
  if (attributes.read_only) flags |= MS_RDONLY;
  if (attributes.no_suid) flags |= MS_NOSUID;
  if (attributes.no_dev) flags |= MS_NODEV;
  if (attributes.no_exec) flags |= MS_NOEXEC;
  if (attributes.no_atime) flags |= MS_NOATIME;
  return flags;
}

/// The kernel copies one page and needs its last byte for the NUL.
std::size_t max_mount_data() {
  const long page = ::sysconf(_SC_PAGESIZE);
  return page > 0 ? static_cast<std::size_t>(page) - 1 : 4095;
}

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
  const int err = mount_in_fd_directory(place.path(), mount_flags(plan.attributes), data);
  if (err != 0) fail_overlay_refused(plan, err, kernel_log.last_with_prefix("overlayfs:"));
  const Fd root = open_at(AT_FDCWD, place.path(), O_PATH | O_DIRECTORY | O_NOFOLLOW);
  return clone_mount(root.get(), plan.attributes);
}

}  // namespace layerkit
