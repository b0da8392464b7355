#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>

#include "file_at.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

struct Capabilities {
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct data[2] = {};

  bool read() noexcept { return ::syscall(SYS_capget, &header, data) == 0; }
  bool write() noexcept { return ::syscall(SYS_capset, &header, data) == 0; }
};

}  // namespace

int stat_name(int dir, const std::string& name, struct stat& stat) noexcept {
  const int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (name.empty() ? AT_EMPTY_PATH : 0);
  return ::fstatat(dir, name.c_str(), &stat, flags) == 0 ? 0 : errno;
}

struct stat stat_open(int fd) {
  struct stat stat = {};
  if (::fstatat(fd, "", &stat, AT_EMPTY_PATH) != 0) {
    const int err = errno;
    fail_errno(err, "reading the attributes of an open file");
  }
  return stat;
}

bool name_exists(int dir, const std::string& name) noexcept {
  return ::faccessat(dir, name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

Fd try_open(int dir, const char* name, int flags, mode_t mode) noexcept {
  flags |= O_CLOEXEC | O_NOCTTY;
  Fd fd(::openat(dir, name, flags, mode));
  if (!fd && errno == EPERM && (flags & O_NOATIME) != 0)
    fd = Fd(::openat(dir, name, flags & ~O_NOATIME, mode));
  return fd;
}

Fd open_name(int dir, const std::string& name, int flags, mode_t mode) {
  Fd fd = try_open(dir, name.c_str(), flags | O_NOFOLLOW, mode);
  if (!fd) {
    const int err = errno;
    fail_errno(err, "opening {}", quoted(name));
  }
  return fd;
}

Fd open_object(int dir, const std::string& name) {
  return open_name(dir, name, O_PATH);
}

void rename_name(
    int from, const std::string& name, int to, const std::string& new_name, IfExists if_exists) {
  const unsigned flags = if_exists == IfExists::Replace    ? 0U
                         : if_exists == IfExists::Exchange ? 2U   // RENAME_EXCHANGE
                                                           : 1U;  // RENAME_NOREPLACE
  if (::renameat2(from, name.c_str(), to, new_name.c_str(), flags) == 0) return;
  int err = errno;
  // A file system without RENAME_NOREPLACE: whoever calls holds the lock on the tree.
  if (err == EINVAL && if_exists == IfExists::Fail) {
    if (name_exists(to, new_name)) fail_errno(EEXIST, "renaming to {}", quoted(new_name));
    if (::renameat(from, name.c_str(), to, new_name.c_str()) == 0) return;
    err = errno;
  }
  fail_errno(err, "renaming {} to {}", quoted(name), quoted(new_name));
}

void remove_name(int dir, const std::string& name) {
  if (::unlinkat(dir, name.c_str(), 0) == 0 || errno == ENOENT) return;
  const int err = errno;
  fail_errno(err, "removing {}", quoted(name));
}

std::string proc_name(int dir, const std::string& name) {
  return name.empty() ? fmt::format("/proc/self/fd/{}", dir)
                      : fmt::format("/proc/self/fd/{}/{}", dir, name);
}

int get_xattr(int dir, const std::string& name, const char* key, std::string& value) {
  const std::string path = proc_name(dir, name);
  const auto read = name.empty() ? ::getxattr : ::lgetxattr;
  char small[256];
  ssize_t got = read(path.c_str(), key, small, sizeof small);
  if (got >= 0) {
    value.assign(small, static_cast<std::size_t>(got));
    return 0;
  }
  while (errno == ERANGE) {
    const ssize_t needed = read(path.c_str(), key, nullptr, 0);
    if (needed < 0) return errno;
    value.resize(static_cast<std::size_t>(needed));
    got = read(path.c_str(), key, value.data(), value.size());
    if (got >= 0) {
      value.resize(static_cast<std::size_t>(got));
      return 0;
    }
  }
  return errno;
}

void set_owner(int fd, uid_t uid, gid_t gid) {
  if (::fchownat(fd, "", uid, gid, AT_EMPTY_PATH) == 0) return;
  const int err = errno;
  fail_errno(err, "changing the owner");
}

void set_mode(int fd, mode_t mode) {
  // An O_PATH descriptor has no fchmod(2); its path in /proc is the object itself.
  if (::chmod(proc_name(fd, "").c_str(), mode) == 0) return;
  const int err = errno;
  fail_errno(err, "changing the mode");
}

void set_times(int fd, const struct timespec& atime, const struct timespec& mtime) {
  const struct timespec times[2] = {atime, mtime};
  if (::utimensat(fd, "", times, AT_EMPTY_PATH) == 0) return;
  int err = errno;
  // Before Linux 5.8 there was no AT_EMPTY_PATH here.
  if (err == EINVAL && ::utimensat(AT_FDCWD, proc_name(fd, "").c_str(), times, 0) == 0) return;
  fail_errno(err, "changing the times");
}

void keep_setid_bits(bool keep) noexcept {
  thread_local bool keeps = true;
  if (keeps == keep) return;
  keeps = keep;
  Capabilities capabilities;
  constexpr unsigned kBit = 1U << CAP_FSETID;
  if (!capabilities.read() || (capabilities.data[0].permitted & kBit) == 0) return;
  capabilities.data[0].effective =
      keep ? capabilities.data[0].effective | kBit : capabilities.data[0].effective & ~kBit;
  capabilities.write();
}

void prepare_server_thread() noexcept {
  thread_local bool is_prepared = false;
  if (is_prepared) return;
  is_prepared = true;
  ::unshare(CLONE_FS);
}

bool may_change_owners() noexcept {
  Capabilities capabilities;
  return capabilities.read() && (capabilities.data[0].effective & (1U << CAP_CHOWN)) != 0;
}

}  // namespace layerkit
