#include "spill_stack.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"

namespace layerkit {
namespace {

constexpr const char* kFileName = "temporary file";

}  // namespace

void SpillStack::push(std::string_view text) {
  const auto size = static_cast<std::uint32_t>(text.size());
  char bytes[sizeof(size)];
  std::memcpy(bytes, &size, sizeof(size));
  top_.append(text).append(bytes, sizeof(bytes));
  if (top_.size() >= 2 * chunk_bytes_) spill();
}

std::optional<std::string> SpillStack::pop() {
  if (top_.empty() && file_bytes_ == 0) return std::nullopt;
  std::uint32_t size = 0;
  load(sizeof(size));
  std::memcpy(&size, top_.data() + top_.size() - sizeof(size), sizeof(size));
  load(sizeof(size) + size);
  std::string text = top_.substr(top_.size() - sizeof(size) - size, size);
  top_.resize(top_.size() - sizeof(size) - size);
  return text;
}

/// Half goes: what comes back soon stays.
void SpillStack::spill() {
  if (!file_) file_ = open_at(directory_, ".", O_TMPFILE | O_RDWR, 0600);
  if (::lseek(file_.get(), static_cast<off_t>(file_bytes_), SEEK_SET) < 0) {
    const int err = errno;
    fail_errno(err, "seeking in {}", kFileName);
  }
  write_all(file_.get(), std::string_view(top_).substr(0, chunk_bytes_), kFileName);
  file_bytes_ += chunk_bytes_;
  top_.erase(0, chunk_bytes_);
}

void SpillStack::load(std::size_t bytes) {
  while (top_.size() < bytes && file_bytes_ > 0) {
    const std::size_t take = std::min<std::uint64_t>(chunk_bytes_, file_bytes_);
    std::string chunk(take, '\0');
    FileRangeSource source(file_.get(), file_bytes_ - take, take, kFileName);
    read_full(source, std::as_writable_bytes(std::span(chunk)));
    file_bytes_ -= take;
    top_.insert(0, chunk);
  }
  if (top_.size() < bytes) fail(Errc::Integrity, "reading {}: it is cut off", kFileName);
}

}  // namespace layerkit
