#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/error.h"
#include "layerkit/base/root_dir.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

int openat2_confined(int root, const char* path, int flags, Follow follow, mode_t mode) {
  open_how how{};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
  how.mode = mode;
  how.resolve =
      RESOLVE_NO_MAGICLINKS |
      (follow == Follow::InRoot ? RESOLVE_IN_ROOT : RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  // EAGAIN: a rename or mount raced with the walk and the kernel could not prove that the path
  // stayed inside (openat2(2)); a hostile racer must not make us spin for ever.
  constexpr int kAttempts = 128;
  for (int attempt = 0;; ++attempt) {
    const long fd = ::syscall(SYS_openat2, root, path, &how, sizeof how);
    if (fd >= 0 || (errno != EINTR && (errno != EAGAIN || attempt >= kAttempts))) {
      return static_cast<int>(fd);
    }
  }
}

const char* or_dot(const RelPath& path) {
  return path.is_root() ? "." : path.c_str();
}

[[noreturn]] void fail_open(int err, const RelPath& path) {
  fail_errno(err, "opening {}", quoted(path.absolute()));
}

}  // namespace

Fd RootDir::open(const RelPath& path, int flags, Follow follow, mode_t mode) const {
  const int fd = openat2_confined(dir_.get(), or_dot(path), flags, follow, mode);
  const int err = errno;
  if (fd < 0) fail_open(err, path);
  return Fd(fd);
}

std::optional<Fd> RootDir::open_if_exists(const RelPath& path, int flags, Follow follow) const {
  const int fd = openat2_confined(dir_.get(), or_dot(path), flags, follow, 0);
  const int err = errno;
  if (fd >= 0) return Fd(fd);
  if (err == ENOENT || err == ENOTDIR) return std::nullopt;
  fail_open(err, path);
}

Fd RootDir::open_parent(const RelPath& path, Follow follow) const {
  return open(path.parent(), O_PATH | O_DIRECTORY, follow);
}

std::optional<FileStat> RootDir::stat(const RelPath& path, Follow parents) const {
  if (path.is_root()) return stat_fd(dir_.get());
  const auto parent = open_if_exists(path.parent(), O_PATH | O_DIRECTORY, parents);
  if (!parent) return std::nullopt;
  return stat_at(parent->get(), std::string(path.name()));
}

std::optional<std::string> RootDir::read_file(const RelPath& path,
                                              std::size_t max_bytes,
                                              Follow follow) const {
  // Resolve first, then read through the descriptor: what is no regular file is never opened.
  const auto object = open_if_exists(path, O_PATH, follow);
  if (!object) return std::nullopt;
  if (stat_fd(object->get()).type != FileType::Regular) {
    fail(Errc::Invalid, "reading {}: it is not a regular file", quoted(path.absolute()));
  }
  const Fd file = open_at(AT_FDCWD, fmt::format("/proc/self/fd/{}", object->get()), O_RDONLY);
  FdSource source(file.get(), path.absolute());
  return read_all(source, max_bytes, path.absolute());
}

}  // namespace layerkit
