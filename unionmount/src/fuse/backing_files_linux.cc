#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <cerrno>

#include "backing_files.h"
#include "file_at.h"

namespace layerkit {
namespace {

// linux/fuse.h of Debian 12 ends before these (Linux 6.9).
struct BackingMap {
  std::int32_t fd;
  std::uint32_t flags;
  std::uint64_t padding;
};
constexpr unsigned kDeviceMagic = 229;
const unsigned long kBackingOpen = _IOW(kDeviceMagic, 1, BackingMap);
const unsigned long kBackingClose = _IOW(kDeviceMagic, 2, std::uint32_t);

/// A small file that is only read is soon read whole, and stays in the page cache; passing it
/// through would cost each open more, and a copy-up would have to part it from its readers.
constexpr off_t kSmallFile = 256 << 10;

/// Writes that the kernel passes through are made with this process's capabilities: a file whose
/// setuid bit a write must clear, or must not, is written here, where the caller is known. So is
/// one that is appended to: the file behind would keep O_APPEND when the process drops it.
bool is_worth_passing(int fd, int flags) noexcept {
  struct stat stat = {};
  if (::fstat(fd, &stat) != 0) return false;
  if ((flags & O_ACCMODE) == O_RDONLY) return stat.st_size >= kSmallFile;
  if ((flags & O_APPEND) != 0) return false;
  return (stat.st_mode & (S_ISUID | S_ISGID)) == 0;
}

}  // namespace

std::mutex& BackingFiles::mutex_of(const Node& node) noexcept {
  return mutexes_[(reinterpret_cast<std::uintptr_t>(&node) >> 6) % mutexes_.size()];
}

std::uint32_t BackingFiles::register_file(int fd) noexcept {
  const int device = device_.load(std::memory_order_relaxed);
  if (device < 0) return 0;
  // Later setuid bits are cleared by whatever is written.
  keep_setid_bits(false);
  BackingMap map = {.fd = fd, .flags = 0, .padding = 0};
  const int id = ::ioctl(device, kBackingOpen, &map);
  if (id > 0) return static_cast<std::uint32_t>(id);
  // Without privilege it never works; a branch on a stacked file system may be followed by others.
  if (errno == EPERM) device_ = -1;
  return 0;
}

BackingFiles::Opened BackingFiles::open(FileHandle& handle) {
  if (device_.load(std::memory_order_relaxed) < 0) return Opened::Cached;
  Node& node = *handle.node;
  const std::lock_guard lock(mutex_of(node));
  Node::Backing& backing = node.backing;
  if (backing.opens > 0) {
    if (backing.revision != handle.revision.load()) return Opened::Conflict;
  } else {
    const int fd = handle.fd.load();
    if (backing.cached_opens > 0 || !is_worth_passing(fd, handle.flags)) {
      ++backing.cached_opens;
      return Opened::Cached;
    }
    backing.id = register_file(fd);
    if (backing.id == 0) {
      ++backing.cached_opens;
      return Opened::Cached;
    }
    backing.revision = handle.revision.load();
    backing.branch = handle.branch;
  }
  ++backing.opens;
  handle.backing_id = backing.id;
  return Opened::PassedThrough;
}

void BackingFiles::close(FileHandle& handle) {
  Node& node = *handle.node;
  const std::lock_guard lock(mutex_of(node));
  Node::Backing& backing = node.backing;
  if (handle.backing_id == 0) {
    if (backing.cached_opens > 0) --backing.cached_opens;
    return;
  }
  if (--backing.opens > 0) return;
  ::ioctl(device_.load(), kBackingClose, &backing.id);
  backing.id = 0;
}

}  // namespace layerkit
