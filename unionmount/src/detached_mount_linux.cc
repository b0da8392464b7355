#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/unionmount/detached_mount.h"

namespace layerkit {
namespace {

/// "link/" would follow the link whatever the flags say.
std::string without_trailing_slashes(const std::string& path) {
  const std::size_t last = path.find_last_not_of('/');
  return last == std::string::npos ? path : path.substr(0, last + 1);
}

}  // namespace

void DetachedMount::attach(int target_fd, const std::string& target_name) && {
  if (::move_mount(mount_.get(), "", target_fd, "",
                   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
    fail_errno(errno, "attaching a mount at {}", quoted(target_name));
  mount_.reset();
}

bool unmount(const std::string& path, UnmountMode mode) {
  const std::string place = without_trailing_slashes(path);
  const int flags = UMOUNT_NOFOLLOW | (mode == UnmountMode::Lazy ? MNT_DETACH : 0);
  if (::umount2(place.c_str(), flags) == 0) return true;
  const int err = errno;
  // EINVAL also means a mount that may not be taken away alone (user_namespaces(7), "locked").
  if (err == ENOENT || (err == EINVAL && !is_mount_point(place))) return false;
  fail_errno(err, "unmounting {}", quoted(path));
}

bool is_mount_point(const std::string& path) {
  struct statx info = {};
  if (::statx(AT_FDCWD, without_trailing_slashes(path).c_str(),
              AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, 0, &info) < 0) {
    const int err = errno;
    if (err == ENOENT) return false;
    fail_errno(err, "looking for a mount at {}", quoted(path));
  }
  if ((info.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) == 0)
    fail(Errc::Unsupported, "looking for a mount at {}: this kernel does not tell", quoted(path));
  return (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

}  // namespace layerkit
