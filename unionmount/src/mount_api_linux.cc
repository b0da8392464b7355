#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "mount_api.h"

namespace layerkit {
namespace {

int errno_of(int result) noexcept {
  return result < 0 ? errno : 0;
}

unsigned attribute_bits(const MountAttributes& attributes) noexcept {
  unsigned bits = 0;
  if (attributes.read_only) bits |= MOUNT_ATTR_RDONLY;
  if (attributes.no_suid) bits |= MOUNT_ATTR_NOSUID;
  if (attributes.no_dev) bits |= MOUNT_ATTR_NODEV;
  if (attributes.no_exec) bits |= MOUNT_ATTR_NOEXEC;
  if (attributes.no_atime) bits |= MOUNT_ATTR_NOATIME;
  return bits;
}

/// A mount that was shared would go on exchanging mounts with its peers after it is attached.
void make_private(int mount_fd, const MountAttributes& attributes) {
  struct mount_attr change = {};
  change.attr_set = attribute_bits(attributes);
  if (attributes.no_atime) change.attr_clr = MOUNT_ATTR__ATIME;
  change.propagation = MS_PRIVATE;
  if (::mount_setattr(mount_fd, "", AT_EMPTY_PATH, &change, sizeof(change)) < 0)
    fail_errno(errno, "setting the attributes of a detached mount");
}

}  // namespace

int try_fsopen(const std::string& type) noexcept {
  const Fd context(::fsopen(type.c_str(), FSOPEN_CLOEXEC));
  return context ? 0 : errno;
}

FsContext::FsContext(const std::string& type) : context_(::fsopen(type.c_str(), FSOPEN_CLOEXEC)) {
  if (context_) return;
  const int err = errno;
  if (err == ENOSYS || err == ENODEV)
    fail(Errc::Unsupported, "opening the file system type {}: {}", quoted(type), errno_text(err));
  fail_errno(err, "opening the file system type {}", quoted(type));
}

int FsContext::set_flag(const std::string& key) const noexcept {
  return errno_of(::fsconfig(context_.get(), FSCONFIG_SET_FLAG, key.c_str(), nullptr, 0));
}

int FsContext::set_string(const std::string& key, const std::string& value) const noexcept {
  return errno_of(::fsconfig(context_.get(), FSCONFIG_SET_STRING, key.c_str(), value.c_str(), 0));
}

int FsContext::set_fd(const std::string& key, int fd) const noexcept {
  return errno_of(::fsconfig(context_.get(), FSCONFIG_SET_FD, key.c_str(), nullptr, fd));
}

int FsContext::create() const noexcept {
  return errno_of(::fsconfig(context_.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0));
}

Fd FsContext::mount(const MountAttributes& attributes) const {
  Fd mount(::fsmount(context_.get(), FSMOUNT_CLOEXEC, attribute_bits(attributes)));
  if (!mount) fail_errno(errno, "making a detached mount");
  return mount;
}

std::string FsContext::take_log() const {
  // Each read gives one message: "e " (error), "w " (warning) or "i " and the text.
  std::string errors;
  std::string warnings;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t got = ::read(context_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 2) break;  // ENODATA: no more messages
    std::string_view message(buffer.data(), static_cast<std::size_t>(got));
    std::string& list = message.front() == 'e' ? errors : warnings;
    message.remove_prefix(2);
    while (!message.empty() && message.back() == '\n')
      message.remove_suffix(1);
    if (!list.empty()) list += "; ";
    list += escaped(message);
  }
  return errors.empty() ? warnings : errors;
}

Fd clone_mount(int directory_fd, const MountAttributes& attributes) {
  Fd mount(::open_tree(directory_fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  if (!mount) fail_errno(errno, "cloning a mount");
  make_private(mount.get(), attributes);
  return mount;
}

Fd clone_mapped_mount(int directory_fd, const MountAttributes& attributes, int user_namespace) {
  Fd mount = clone_mount(directory_fd, attributes);
  struct mount_attr change = {};
  change.attr_set = MOUNT_ATTR_IDMAP;
  change.userns_fd = static_cast<decltype(change.userns_fd)>(user_namespace);
  if (::mount_setattr(mount.get(), "", AT_EMPTY_PATH, &change, sizeof(change)) == 0) return mount;
  const int err = errno;
  if (err == EINVAL)
    fail(Errc::Unsupported,
         "mapping the owners of files: the kernel or the file system cannot, or that is no user "
         "namespace for it: {}",
         errno_text(err));
  fail_errno(err, "mapping the owners of files");
}

std::uint64_t mount_id(int fd) {
  struct statx info = {};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &info) < 0)
    fail_errno(errno, "reading the mount ID of a directory");
  return info.stx_mnt_id;
}

std::string proc_fd_path(int fd) {
  return fmt::format("/proc/self/fd/{}", fd);
}

}  // namespace layerkit
