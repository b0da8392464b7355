#include "store_files_linux.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "diff_object.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

void set_mode(int fd, mode_t mode, std::string_view name) {
  if (::fchmod(fd, mode) != 0) {
    const int err = errno;
    fail_errno(err, "setting the mode of {}", quoted(name));
  }
}

void set_xattr(int fd, const std::string& name, const std::string& value) {
  if (::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0) != 0) {
    const int err = errno;
    fail_errno(err, "setting the xattr {} of a layer's root directory", quoted(name));
  }
}

}  // namespace

Fd make_exact_dir(int dir_fd, const std::string& name, mode_t mode) {
  make_dir_at(dir_fd, name, mode);
  Fd dir = open_dir_at(dir_fd, name);
  set_mode(dir.get(), mode, name);
  return dir;
}

Fd ensure_exact_dir(int dir_fd, const std::string& name, mode_t mode) {
  if (!stat_at(dir_fd, name)) return make_exact_dir(dir_fd, name, mode);
  return open_dir_at(dir_fd, name);
}

void write_exact_file(int dir_fd, const std::string& name, std::string_view contents, mode_t mode) {
  const Fd file = open_at(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
  write_all(file.get(), contents, name);
  set_mode(file.get(), mode, name);
}

void sync_file_at(int dir_fd, const std::string& name) {
  const Fd file = open_at(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  sync_fd(file.get(), name);
}

void set_directory_metadata(int dir_fd, const Entry& metadata, DiffFormat format) {
  // chown clears nothing on directories but may be refused; the mode comes after it all the same.
  if (::fchown(dir_fd, metadata.uid, metadata.gid) != 0) {
    const int err = errno;
    fail_errno(err, "setting the owner of a layer's root directory");
  }
  set_mode(dir_fd, metadata.mode, "/");
  for (const auto& [name, value] : metadata.xattrs) {
    set_xattr(dir_fd, stored_xattr_name(name, format), value);
  }
  const timespec mtime{metadata.mtime.seconds, metadata.mtime.nanoseconds};
  const timespec times[] = {mtime, mtime};
  if (::futimens(dir_fd, times) != 0) {
    const int err = errno;
    fail_errno(err, "setting the times of a layer's root directory");
  }
}

void link_at(int old_dir, const std::string& old_name, int new_dir, const std::string& new_name) {
  if (::linkat(old_dir, old_name.c_str(), new_dir, new_name.c_str(), 0) != 0) {
    const int err = errno;
    fail_errno(err, "linking {} to {}", quoted(old_name), quoted(new_name));
  }
}

void exchange_at(int old_dir,
                 const std::string& old_name,
                 int new_dir,
                 const std::string& new_name) {
  if (::renameat2(old_dir, old_name.c_str(), new_dir, new_name.c_str(), RENAME_EXCHANGE) != 0) {
    const int err = errno;
    fail_errno(err, "exchanging {} and {}", quoted(old_name), quoted(new_name));
  }
}

void link_nameless_file_at(int fd, int dir_fd, const std::string& name, mode_t mode) {
  set_mode(fd, mode, name);
  // The way that needs no capability (open(2), O_TMPFILE).
  const std::string source = fmt::format("/proc/self/fd/{}", fd);
  if (::linkat(AT_FDCWD, source.c_str(), dir_fd, name.c_str(), AT_SYMLINK_FOLLOW) != 0) {
    const int err = errno;
    fail_errno(err, "creating {}", quoted(name));
  }
}

bool is_mount_point_at(int dir_fd, const std::string& name) {
  struct statx raw {};
  constexpr int kFlags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
  if (::statx(dir_fd, name.c_str(), kFlags, STATX_TYPE, &raw) != 0) {
    const int err = errno;
    if (err == ENOENT) return false;
    fail_errno(err, "reading the attributes of {}", quoted(name));
  }
  return (raw.stx_attributes_mask & raw.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

}  // namespace layerkit
