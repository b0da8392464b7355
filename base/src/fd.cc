#include "layerkit/base/fd.h"

#include <fcntl.h>
#include <unistd.h>

#include "layerkit/base/error.h"

namespace layerkit {

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.release();
  }
  return *this;
}

void Fd::reset() noexcept {
  if (fd_ >= 0) {
    const int saved_errno = errno;
    ::close(release());
    errno = saved_errno;
  }
}

Fd Fd::duplicate() const {
  const int copy = ::fcntl(fd_, F_DUPFD_CLOEXEC, 3);
  if (copy < 0) fail_errno(errno, "duplicating a file descriptor");
  return Fd(copy);
}

}  // namespace layerkit
