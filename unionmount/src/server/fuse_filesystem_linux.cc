#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/unionmount/fuse_mount.h"
#include "server/fuse_filesystem.h"

namespace layerkit {
namespace {

void check(const FsContext& context, int err, const std::string& doing) {
  if (err == 0) return;
  const std::string log = context.take_log();
  if (log.empty()) fail_errno(err, "{}", doing);
  fail_errno(err, "{} (the kernel says '{}')", doing, log);
}

void set(const FsContext& context, const std::string& key, const std::string& value) {
  check(context, context.set_string(key, value), fmt::format("setting option {}", key));
}

void set_flag(const FsContext& context, const std::string& key) {
  check(context, context.set_flag(key), fmt::format("setting option {}", key));
}

}  // namespace

bool may_mount_fuse() {
  return try_fsopen("fuse") == 0 && ::access("/dev/fuse", R_OK | W_OK) == 0;
}

Fd open_fuse_device() {
  return open_at(AT_FDCWD, "/dev/fuse", O_RDWR);
}

Fd make_fuse_filesystem(int device,
                        const FuseMounterOptions& options,
                        const MountAttributes& attributes) {
  const FsContext context("fuse");
  set(context, "source", options.source);
  set(context, "subtype", options.subtype);
  // By number: the kernel takes no descriptor (FSCONFIG_SET_FD) here.
  set(context, "fd", fmt::format("{}", device));
  set(context, "rootmode", "40000");
  set(context, "user_id", fmt::format("{}", ::geteuid()));
  set(context, "group_id", fmt::format("{}", ::getegid()));
  set_flag(context, "default_permissions");
  if (options.access == FuseAccess::Everybody) set_flag(context, "allow_other");
  // The one of these that is a matter of the file system and not of the mount alone.
  if (attributes.read_only) set_flag(context, "ro");
  check(context, context.create(), "creating a FUSE file system");
  return context.mount(attributes);
}

std::uint64_t device_of_mount(int fd, const std::string& path) {
  struct statx info = {};
  const int flags = AT_STATX_DONT_SYNC | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT |
                    (path.empty() ? AT_EMPTY_PATH : 0);
  if (::statx(fd, path.c_str(), flags, 0, &info) < 0)
    fail_errno(errno, "reading the device number of {}",
               path.empty() ? std::string("a mount") : quoted(path));
  return makedev(info.stx_dev_major, info.stx_dev_minor);
}

}  // namespace layerkit
