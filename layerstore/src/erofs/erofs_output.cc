#include "erofs/erofs_output.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "layerkit/base/error.h"

namespace layerkit {
namespace {

constexpr std::size_t kBuffer = std::size_t{64} << 10;

bool is_zero(std::string_view bytes) {
  return bytes.front() == '\0' &&
         std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

void write_at(int fd, std::string_view bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t done = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    const int err = errno;
    if (done < 0 && err == EINTR) continue;
    if (done <= 0) fail_errno(done == 0 ? EIO : err, "writing the index of a layer");
    bytes.remove_prefix(static_cast<std::size_t>(done));
    offset += static_cast<std::uint64_t>(done);
  }
}

}  // namespace

void ErofsOutput::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t taken = std::min(bytes.size(), kBuffer - buffer_.size());
    buffer_.append(bytes.substr(0, taken));
    bytes.remove_prefix(taken);
    if (buffer_.size() == kBuffer) flush();
  }
}

void ErofsOutput::fill_to(std::uint64_t offset) {
  while (this->offset() < offset) {
    const std::uint64_t missing = offset - this->offset();
    buffer_.append(std::min<std::uint64_t>(missing, kBuffer - buffer_.size()), '\0');
    if (buffer_.size() == kBuffer) flush();
  }
}

void ErofsOutput::flush() {
  if (!buffer_.empty() && !is_zero(buffer_)) write_at(fd_, buffer_, begin_);
  begin_ += buffer_.size();
  buffer_.clear();
}

}  // namespace layerkit
