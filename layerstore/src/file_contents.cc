#include "file_contents.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit {

FileContents::FileContents(Fd file, std::uint64_t size, std::string name)
    : file_(std::move(file)), size_(size), name_(std::move(name)) {
  check_size();
  constexpr std::uint64_t kBlockUnit = 512;
  sparse_ = stat_fd(file_.get()).blocks * kBlockUnit < size_;
  if (!sparse_) data_end_ = size_;
}

std::size_t FileContents::read(std::span<std::byte> buffer) {
  if (at_ == size_) {
    check_size();
    return 0;
  }
  if (sparse_ && at_ >= data_end_) find_data();
  const bool in_hole = at_ < data_begin_;
  const std::uint64_t left = (in_hole ? data_begin_ : data_end_) - at_;
  const auto part = buffer.first(std::min<std::uint64_t>(buffer.size(), left));
  if (in_hole) {
    std::fill(part.begin(), part.end(), std::byte{0});
    at_ += part.size();
    return part.size();
  }
  for (;;) {
    const ssize_t got = ::pread(file_.get(), part.data(), part.size(), static_cast<off_t>(at_));
    const int err = errno;
    if (got > 0) {
      at_ += static_cast<std::uint64_t>(got);
      return static_cast<std::size_t>(got);
    }
    if (got == 0) {
      fail(Errc::Integrity, "reading {}: it became shorter than {} bytes meanwhile", quoted(name_),
           size_);
    }
    if (err != EINTR) fail_errno(err, "reading {}", quoted(name_));
  }
}

void FileContents::find_data() {
  const off_t begin = ::lseek(file_.get(), static_cast<off_t>(at_), SEEK_DATA);
  const int err = errno;
  // ENXIO: one hole to the end. Anything else: a file system that does not know of holes.
  data_begin_ = begin >= 0 ? static_cast<std::uint64_t>(begin) : (err == ENXIO ? size_ : at_);
  const off_t end = begin >= 0 ? ::lseek(file_.get(), begin, SEEK_HOLE) : -1;
  data_end_ = end >= 0 ? static_cast<std::uint64_t>(end) : size_;
  data_begin_ = std::min(data_begin_, size_);
  data_end_ = std::min(data_end_, size_);
}

void FileContents::check_size() const {
  const std::uint64_t now = stat_fd(file_.get()).size;
  if (now == size_) return;
  fail(Errc::Integrity, "reading {}: it changed meanwhile: it has {} bytes instead of {}",
       quoted(name_), now, size_);
}

}  // namespace layerkit
