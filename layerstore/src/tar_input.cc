#include "tar_input.h"

#include <algorithm>
#include <cstring>

namespace layerkit {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{256} << 10;

}  // namespace

TarInput::TarInput(ByteSource& source, TarObserver* observer)
    : source_(source), observer_(observer), buffer_(kBufferBytes) {}

std::span<const std::byte> TarInput::peek(std::size_t count) {
  if (end_ - begin_ >= count) return buffered(count);
  if (count > buffer_.size()) {
    std::vector<std::byte> larger(count);
    std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
              buffer_.begin() + static_cast<std::ptrdiff_t>(end_), larger.begin());
    buffer_ = std::move(larger);
  } else if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  }
  end_ -= begin_;
  begin_ = 0;
  while (end_ < count) {
    const std::size_t got = source_.read(std::span(buffer_).subspan(end_));
    if (got == 0) break;
    end_ += got;
  }
  return buffered(count);
}

std::uint64_t TarInput::skip_framing(std::uint64_t count) {
  std::uint64_t done = 0;
  while (done < count && (begin_ < end_ || refill())) {
    const auto bytes = buffered(count - done);
    if (observer_ != nullptr) observer_->on_framing(bytes);
    done += bytes.size();
    consume(bytes.size());
  }
  return done;
}

std::uint64_t TarInput::skip_contents(std::uint64_t file_offset, std::uint64_t count) {
  std::uint64_t done = 0;
  while (done < count && (begin_ < end_ || refill())) {
    const auto bytes = buffered(count - done);
    if (observer_ != nullptr) observer_->on_contents(file_offset + done, bytes);
    done += bytes.size();
    consume(bytes.size());
    if (observer_ == nullptr && begin_ == end_ && done < count) {
      const std::uint64_t passed = source_.skip(count - done);
      offset_ += passed;
      return done + passed;
    }
  }
  return done;
}

std::size_t TarInput::read_contents(std::uint64_t file_offset, std::span<std::byte> out) {
  std::size_t got = 0;
  if (begin_ < end_ || (out.size() < kBufferBytes && refill())) {
    const auto bytes = buffered(out.size());
    std::memcpy(out.data(), bytes.data(), bytes.size());
    got = bytes.size();
    consume(got);
  } else {
    // Nothing is buffered and the caller has room for a large piece: spare it the copy.
    got = source_.read(out);
    offset_ += got;
  }
  if (observer_ != nullptr && got > 0) observer_->on_contents(file_offset, out.first(got));
  return got;
}

bool TarInput::refill() {
  begin_ = 0;
  end_ = source_.read(buffer_);
  return end_ > 0;
}

std::span<const std::byte> TarInput::buffered(std::uint64_t at_most) const {
  return std::span(buffer_).subspan(begin_, std::min<std::uint64_t>(at_most, end_ - begin_));
}

void TarInput::consume(std::size_t count) {
  begin_ += count;
  offset_ += count;
}

}  // namespace layerkit
