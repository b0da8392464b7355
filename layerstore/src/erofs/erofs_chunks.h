#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "layerkit/layerstore/tar.h"

namespace layerkit {

/// Where the contents of a regular file are, cut into chunks of one size, a power of two. A chunk
/// is zeros, or in the tar as it is, or must be copied: where data and zeros meet in it, or where
/// its data does not begin at a block of the tar. The size is the one that takes least space.
class ErofsChunks {
 public:
  enum class Kind { Zeros, InTar, Copied };
  struct Chunk {
    Kind kind = Kind::Zeros;
    std::uint64_t tar_offset = 0;   ///< of one in the tar
    std::uint64_t file_offset = 0;  ///< where it begins
    std::uint64_t size = 0;         ///< less than of the others at the end of the file
  };

  /// `extents`, which must outlive it, are in order and within a file of `size` bytes, not 0.
  /// Throws Error{Limit} when the space that the best size takes is out of all proportion.
  ErofsChunks(std::span<const TarExtent> extents, std::uint64_t size);

  /// A chunk has `erofs::kBlock << bits` bytes.
  unsigned bits() const noexcept { return bits_; }
  std::uint64_t count() const noexcept;
  /// All of them, in order.
  void for_each(const std::function<void(const Chunk&)>& use) const;
  /// The data within the chunk, in order.
  void for_each_piece(const Chunk& chunk, const std::function<void(const TarExtent&)>& use) const;

 private:
  bool is_one_piece() const noexcept;
  std::uint64_t copied_chunks() const;
  Chunk chunk_at(std::uint64_t begin, const TarExtent* next) const;

  std::span<const TarExtent> extents_;
  std::uint64_t size_;
  unsigned bits_ = 0;
};

}  // namespace layerkit
