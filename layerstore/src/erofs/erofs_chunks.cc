#include "erofs/erofs_chunks.h"

#include <algorithm>
#include <limits>

#include "erofs/erofs_format.h"
#include "layerkit/base/error.h"

namespace layerkit {
namespace {

/// Of the indexes and the copies of one file.
constexpr std::uint64_t kMaxCost = std::uint64_t{1} << 30;
constexpr std::uint64_t kMaxChunks = kMaxCost / sizeof(erofs::ChunkIndex);

std::uint64_t chunk_size(unsigned bits) {
  return erofs::kBlock << bits;
}

std::uint64_t divide_up(std::uint64_t value, std::uint64_t by) {
  return value / by + (value % by == 0 ? 0 : 1);
}

std::uint64_t end_of(const TarExtent& extent) {
  return extent.file_offset + extent.length;
}

/// Whether a block of the file is a block of the tar.
bool is_aligned(const TarExtent& extent) {
  return (extent.tar_offset - extent.file_offset) % erofs::kBlock == 0;
}

}  // namespace

ErofsChunks::ErofsChunks(std::span<const TarExtent> extents, std::uint64_t size)
    : extents_(extents), size_(size) {
  if (extents.empty() || is_one_piece()) {
    while (bits_ < erofs::kMaxChunkBits && chunk_size(bits_) < size)
      ++bits_;
    return;
  }
  unsigned best = 0;
  std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
  for (bits_ = 0; bits_ <= erofs::kMaxChunkBits; ++bits_) {
    if (count() > kMaxChunks) continue;
    const std::uint64_t copies = copied_chunks();
    if (copies > kMaxCost / chunk_size(bits_) && copies > 1) break;  // it only gets more
    const std::uint64_t copied = std::min(copies * chunk_size(bits_), size);
    const std::uint64_t cost = count() * sizeof(erofs::ChunkIndex) + copied;
    if (cost < least) {
      least = cost;
      best = bits_;
    }
    if (chunk_size(bits_) >= size) break;
  }
  if (least > kMaxCost) {
    fail(Errc::Limit, "mapping a sparse file: its holes would take more than {} bytes", kMaxCost);
  }
  bits_ = best;
}

/// All of it stands in the tar as it is.
bool ErofsChunks::is_one_piece() const noexcept {
  return extents_.size() == 1 && extents_[0].file_offset == 0 && extents_[0].length == size_ &&
         is_aligned(extents_[0]);
}

std::uint64_t ErofsChunks::count() const noexcept {
  return divide_up(size_, chunk_size(bits_));
}

std::uint64_t ErofsChunks::copied_chunks() const {
  const std::uint64_t chunk = chunk_size(bits_);
  std::uint64_t copies = 0;
  std::uint64_t counted = 0;  // chunks before this one
  const auto add = [&](std::uint64_t begin, std::uint64_t end) {
    begin = std::max(begin, counted);
    if (begin >= end) return;
    copies += end - begin;
    counted = end;
  };
  for (const TarExtent& extent : extents_) {
    const std::uint64_t begin = extent.file_offset / chunk;
    const std::uint64_t end = divide_up(end_of(extent), chunk);
    const std::uint64_t whole_begin = divide_up(extent.file_offset, chunk);
    const std::uint64_t whole_end = end_of(extent) == size_ ? end : end_of(extent) / chunk;
    if (!is_aligned(extent) || whole_begin >= whole_end) {
      add(begin, end);
    } else {
      add(begin, whole_begin);
      add(whole_end, end);
    }
  }
  return copies;
}

ErofsChunks::Chunk ErofsChunks::chunk_at(std::uint64_t begin, const TarExtent* next) const {
  Chunk chunk;
  chunk.file_offset = begin;
  chunk.size = std::min(chunk_size(bits_), size_ - begin);
  if (next == extents_.data() + extents_.size() || next->file_offset >= begin + chunk.size) {
    return chunk;
  }
  const bool whole = next->file_offset <= begin && end_of(*next) >= begin + chunk.size;
  chunk.kind = whole && is_aligned(*next) ? Kind::InTar : Kind::Copied;
  chunk.tar_offset = next->tar_offset + (begin - next->file_offset);
  return chunk;
}

void ErofsChunks::for_each(const std::function<void(const Chunk&)>& use) const {
  const TarExtent* next = extents_.data();
  const TarExtent* end = next + extents_.size();
  for (std::uint64_t begin = 0; begin < size_;) {
    while (next != end && end_of(*next) <= begin)
      ++next;
    const Chunk chunk = chunk_at(begin, next);
    use(chunk);
    begin += chunk.size;
  }
}

void ErofsChunks::for_each_piece(const Chunk& chunk,
                                 const std::function<void(const TarExtent&)>& use) const {
  const std::uint64_t chunk_end = chunk.file_offset + chunk.size;
  auto extent = std::partition_point(
      extents_.begin(), extents_.end(),
      [&](const TarExtent& before) { return end_of(before) <= chunk.file_offset; });
  for (; extent != extents_.end() && extent->file_offset < chunk_end; ++extent) {
    const std::uint64_t begin = std::max(extent->file_offset, chunk.file_offset);
    const std::uint64_t end = std::min(end_of(*extent), chunk_end);
    use({extent->tar_offset + (begin - extent->file_offset), begin, end - begin});
  }
}

}  // namespace layerkit
