#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "control/unmount_union.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/unionmount/fuse_mount.h"
#include "layerkit/unionmount/mount_info.h"
#include "layerkit/unionmount/union_client.h"

namespace layerkit {
namespace {

/// The topmost first. Mounts that others lie on are not reached by their path.
std::vector<MountInfo> mounts_of(std::uint64_t device) {
  std::vector<MountInfo> mounts = read_mount_info();
  std::erase_if(mounts, [&](const MountInfo& mount) {
    return mount.device != device || !mount.type.starts_with("fuse");
  });
  std::ranges::reverse(mounts);
  return mounts;
}

bool is_on_top(const MountInfo& mount) {
  struct statx info = {};
  return ::statx(AT_FDCWD, mount.mount_point.c_str(),
                 AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT | AT_SYMLINK_NOFOLLOW, STATX_MNT_ID,
                 &info) == 0 &&
         info.stx_mnt_id == mount.id;
}

bool is_dead(const MountInfo& mount) {
  struct statx info = {};
  return ::statx(AT_FDCWD, mount.mount_point.c_str(),
                 AT_STATX_FORCE_SYNC | AT_NO_AUTOMOUNT | AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS,
                 &info) < 0 &&
         errno == ENOTCONN;
}

}  // namespace

bool unmount_with_help(const std::string& path, UnmountMode mode) {
  try {
    return unmount(path, mode);
  } catch (const Error& error) {
    if (error.sys_errno() != EPERM) throw;
    unmount_by_fusermount(path, mode);
    return true;
  }
}

std::size_t unmount_union(std::uint64_t device, UnmountMode mode) {
  std::size_t count = 0;
  for (const MountInfo& mount : mounts_of(device)) {
    if (!is_on_top(mount)) continue;
    static_cast<void>(unmount_with_help(mount.mount_point, mode));
    ++count;
  }
  return count;
}

void abort_union(std::uint64_t device) noexcept {
  try {
    const std::string control =
        fmt::format("/sys/fs/fuse/connections/{}/abort", minor(static_cast<dev_t>(device)));
    if (const auto file = open_at_if_exists(AT_FDCWD, control, O_WRONLY)) {
      if (::write(file->get(), "1", 1) == 1) return;
    }
    for (const MountInfo& mount : mounts_of(device))
      ::umount2(mount.mount_point.c_str(), MNT_FORCE | UMOUNT_NOFOLLOW);
  } catch (const Error&) {  // NOLINT(bugprone-empty-catch): is tried again
  }
}

void unmount_dead_union(std::uint64_t device, const std::string& id) noexcept {
  try {
    // A union that has the number by now: a look at it would be in the way of its unmounting.
    for (const UnionInfo& other : list_unions())
      if (other.device == device && other.id != id) return;
    for (const MountInfo& mount : mounts_of(device)) {
      if (is_on_top(mount) && is_dead(mount))
        static_cast<void>(unmount_with_help(mount.mount_point, UnmountMode::Lazy));
    }
  } catch (const Error&) {  // NOLINT(bugprone-empty-catch): the user still can
  }
}

}  // namespace layerkit
