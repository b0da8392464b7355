#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/digest.h"

/// \file
/// Streams that hash and count what goes through them. Each object belongs to one thread at a time.

namespace layerkit {

/// Passes bytes through and hashes and counts them.
class HashingSource final : public ByteSource {
 public:
  explicit HashingSource(ByteSource& inner) : inner_(inner) {}
  std::size_t read(std::span<std::byte> buffer) override;
  std::uint64_t size() const noexcept { return size_; }
  /// Digest of what was read so far; call once, at the end.
  Sha256Digest finish() { return hash_.finish(); }

 private:
  ByteSource& inner_;
  Sha256 hash_;
  std::uint64_t size_ = 0;
};

/// Hashes and counts what is written and passes it on (to nothing, when made without a sink).
class HashingSink final : public ByteSink {
 public:
  HashingSink() = default;
  explicit HashingSink(ByteSink& inner) : inner_(&inner) {}
  void write(std::span<const std::byte> bytes) override;
  std::uint64_t size() const noexcept { return size_; }
  Sha256Digest finish() { return hash_.finish(); }

 private:
  ByteSink* inner_ = nullptr;
  Sha256 hash_;
  std::uint64_t size_ = 0;
};

}  // namespace layerkit
