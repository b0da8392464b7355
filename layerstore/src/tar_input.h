#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "layerkit/base/byte_stream.h"
#include "layerkit/layerstore/tar.h"

namespace layerkit {

/// The bytes of a tar, looked at in place and then consumed either as framing or as contents,
/// which is where the observer learns of them. Holds one buffer of 256 KiB; it grows only for a
/// `peek` of more.
class TarInput final {
 public:
  /// `observer` may be null; both must outlive the input.
  TarInput(ByteSource& source, TarObserver* observer);

  /// How many bytes were consumed.
  std::uint64_t offset() const noexcept { return offset_; }

  /// The next `count` bytes without consuming them; fewer only where the stream ends. Valid until
  /// the next call.
  std::span<const std::byte> peek(std::size_t count);

  /// Consumes up to `count` bytes; returns how many there were.
  std::uint64_t skip_framing(std::uint64_t count);
  /// As skip_framing, for stored contents that stand at `file_offset` of their file.
  std::uint64_t skip_contents(std::uint64_t file_offset, std::uint64_t count);
  /// Moves contents to the front of `out`; 0 only at the end of the stream.
  std::size_t read_contents(std::uint64_t file_offset, std::span<std::byte> out);

 private:
  bool refill();
  std::span<const std::byte> buffered(std::uint64_t at_most) const;
  void consume(std::size_t count);

  ByteSource& source_;
  TarObserver* observer_;
  std::vector<std::byte> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::uint64_t offset_ = 0;
};

}  // namespace layerkit
