#include <fmt/core.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include <cerrno>

#include "layerkit/base/error.h"
#include "layerkit/unionmount/erofs_mount.h"
#include "mount_api.h"

namespace layerkit {
namespace {

constexpr char kDoing[] = "mounting an EROFS image from a plain file";

bool is_on_tmpfs(int fd) noexcept {
  struct statfs fs {};
  return ::fstatfs(fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

/// What the kernel says tells little of what it lacks.
[[noreturn]] void refuse(int error, int image, const std::string& log) {
  const std::string more = log.empty() ? "" : fmt::format(" ({})", log);
  const bool is_device_missing = error == ENOTBLK || error == ENODEV;
  if (is_device_missing && is_on_tmpfs(image))
    throw Error(
        Errc::Unsupported, error,
        fmt::format("{}: the file is on a tmpfs, from which the kernel cannot{}", kDoing, more));
  if (is_device_missing)
    throw Error(Errc::Unsupported, error,
                fmt::format("{}: this kernel cannot; it takes Linux 6.12{}", kDoing, more));
  if (error == EPERM)
    throw Error(Errc::Unsupported, error,
                fmt::format("{}: that takes root of the initial user namespace{}", kDoing, more));
  throw Error(Errc::Io, error, fmt::format("{}: {}{}", kDoing, errno_text(error), more));
}

}  // namespace

DetachedMount mount_erofs(int image, int data) {
  const FsContext context("erofs");
  int error = context.set_string("source", proc_fd_path(image));
  if (error == 0) error = context.set_flag("ro");
  if (error == 0) error = context.set_string("device", proc_fd_path(data));
  if (error == 0) error = context.create();
  if (error != 0) refuse(error, image, context.take_log());
  return DetachedMount(context.mount({.read_only = true, .no_suid = true, .no_dev = true}));
}

}  // namespace layerkit
