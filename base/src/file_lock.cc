#include <fcntl.h>
#include <sys/file.h>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

int flock_operation(LockKind kind) {
  return kind == LockKind::Shared ? LOCK_SH : LOCK_EX;
}

}  // namespace

FileLock::FileLock(int dir_fd, const std::string& name, LockKind kind)
    : fd_(open_at(dir_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW, 0600)) {
  while (::flock(fd_.get(), flock_operation(kind)) != 0) {
    const int err = errno;
    if (err != EINTR) fail_errno(err, "locking {}", quoted(name));
  }
}

std::optional<FileLock> FileLock::try_lock(Fd fd, LockKind kind) {
  while (::flock(fd.get(), flock_operation(kind) | LOCK_NB) != 0) {
    const int err = errno;
    if (err == EWOULDBLOCK) return std::nullopt;
    if (err != EINTR) fail_errno(err, "taking a lock");
  }
  return FileLock(std::move(fd));
}

}  // namespace layerkit
