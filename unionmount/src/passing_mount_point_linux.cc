#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "passing_mount_point.h"

namespace layerkit {

PassingMountPoint::PassingMountPoint() {
  if (::mkdtemp(directory_.data()) == nullptr)
    fail_errno(errno, "creating a directory in /tmp to mount on");
  try {
    prepare();
  } catch (const Error&) {
    remove();
    throw;
  }
}

void PassingMountPoint::prepare() {
  const char* path = directory_.c_str();
  if (::mount(path, path, nullptr, MS_BIND, nullptr) < 0)
    fail_errno(errno, "binding the directory to mount on");
  if (::mount(nullptr, path, nullptr, MS_PRIVATE, nullptr) < 0)
    fail_errno(errno, "making the directory to mount on private");
  mount_point_ = directory_ + "/union";
  make_dir_at(AT_FDCWD, mount_point_, 0700);
}

void PassingMountPoint::remove() noexcept {
  // Takes the union below along; fails harmlessly when the bind was not made.
  ::umount2(directory_.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
  if (!mount_point_.empty()) ::rmdir(mount_point_.c_str());
  ::rmdir(directory_.c_str());
}

Fd PassingMountPoint::clone(const MountAttributes& attributes) const {
  const Fd root = open_at(AT_FDCWD, mount_point_, O_PATH | O_DIRECTORY | O_NOFOLLOW);
  return clone_mount(root.get(), attributes);
}

unsigned long mount_call_flags(const MountAttributes& attributes) noexcept {
  unsigned long flags = 0;
  if (attributes.read_only) flags |= MS_RDONLY;
  if (attributes.no_suid) flags |= MS_NOSUID;
  if (attributes.no_dev) flags |= MS_NODEV;
  if (attributes.no_exec) flags |= MS_NOEXEC;
  if (attributes.no_atime) flags |= MS_NOATIME;
  return flags;
}

std::size_t max_mount_data() {
  // The kernel copies one page and needs its last byte for the NUL.
  const long page = ::sysconf(_SC_PAGESIZE);
  return page > 0 ? static_cast<std::size_t>(page) - 1 : 4095;
}

}  // namespace layerkit
