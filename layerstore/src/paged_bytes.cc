#include "paged_bytes.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"

namespace layerkit {
namespace {

constexpr const char* kFileName = "a temporary file";
/// Of a page that holds nothing: none has that number.
constexpr std::uint64_t kNoPage = std::numeric_limits<std::uint64_t>::max();

}  // namespace

PagedBytes::PagedBytes(int directory, std::size_t max_pages)
    : directory_(directory), max_pages_(std::max<std::size_t>(max_pages, 1)) {
  pages_.reserve(max_pages_);
}

void PagedBytes::append(std::span<const std::byte> bytes) {
  const std::lock_guard lock(mutex_);
  while (!bytes.empty()) {
    const std::size_t at = size_ % kPageBytes;
    const auto part = bytes.first(std::min(bytes.size(), kPageBytes - at));
    Page& end = page(size_ / kPageBytes);
    std::memcpy(end.bytes.get() + at, part.data(), part.size());
    end.is_in_file = false;
    size_ += part.size();
    bytes = bytes.subspan(part.size());
  }
}

void PagedBytes::read(std::uint64_t offset, std::span<std::byte> bytes) const {
  if (offset > size_ || bytes.size() > size_ - offset) {
    fail(Errc::Integrity, "reading {}: it ends before byte {}", kFileName, offset);
  }
  const std::lock_guard lock(mutex_);
  while (!bytes.empty()) {
    const std::size_t at = offset % kPageBytes;
    const auto part = bytes.first(std::min(bytes.size(), kPageBytes - at));
    std::memcpy(part.data(), page(offset / kPageBytes).bytes.get() + at, part.size());
    offset += part.size();
    bytes = bytes.subspan(part.size());
  }
}

std::uint64_t PagedBytes::file_bytes() const {
  const std::lock_guard lock(mutex_);
  return file_bytes_;
}

std::uint64_t PagedBytes::pages_read() const {
  const std::lock_guard lock(mutex_);
  return pages_read_;
}

PagedBytes::Page& PagedBytes::page(std::uint64_t number) const {
  ++clock_;
  if (last_ >= pages_.size() || pages_[last_].number != number) {
    auto found = std::ranges::find(pages_, number, &Page::number);
    if (found == pages_.end()) {
      Page& room = make_room();
      load(room, number);
      found = pages_.begin() + (&room - pages_.data());
    }
    last_ = static_cast<std::size_t>(found - pages_.begin());
  }
  pages_[last_].used = clock_;
  return pages_[last_];
}

PagedBytes::Page& PagedBytes::make_room() const {
  if (pages_.size() < max_pages_) {
    pages_.push_back({kNoPage, 0, true, std::make_unique<std::byte[]>(kPageBytes)});
    return pages_.back();
  }
  Page& oldest = *std::ranges::min_element(pages_, {}, &Page::used);
  if (!oldest.is_in_file) write(oldest);
  oldest.number = kNoPage;
  return oldest;
}

void PagedBytes::write(Page& page) const {
  if (!file_) file_ = open_at(directory_, ".", O_TMPFILE | O_RDWR, 0600);
  const std::uint64_t offset = page.number * kPageBytes;
  if (::lseek(file_.get(), static_cast<off_t>(offset), SEEK_SET) < 0) {
    const int err = errno;
    fail_errno(err, "seeking in {}", kFileName);
  }
  write_all(file_.get(),
            std::string_view(reinterpret_cast<const char*>(page.bytes.get()), kPageBytes),
            kFileName);
  page.is_in_file = true;
  file_bytes_ = std::max(file_bytes_, offset + kPageBytes);
}

/// A page that is in neither place is the next one to be appended to.
void PagedBytes::load(Page& page, std::uint64_t number) const {
  const std::uint64_t offset = number * kPageBytes;
  if (offset < file_bytes_) {
    FileRangeSource source(file_.get(), offset, kPageBytes, kFileName);
    if (read_full(source, std::span(page.bytes.get(), kPageBytes)) != kPageBytes) {
      fail(Errc::Integrity, "reading {}: it is cut off", kFileName);
    }
    ++pages_read_;
  }
  page.number = number;
  page.is_in_file = true;
}

}  // namespace layerkit
