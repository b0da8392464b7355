#include "tar_contents.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "tar_header.h"

namespace layerkit {
namespace {

[[noreturn]] void fail_truncated(const TarPlace& place) {
  fail(Errc::Integrity, "{}: the tar ends inside it", place.text());
}

std::uint64_t stored_size(const std::vector<SparsePiece>& pieces) {
  const auto add = [](std::uint64_t sum, const SparsePiece& piece) { return sum + piece.length; };
  return std::accumulate(pieces.begin(), pieces.end(), std::uint64_t{0}, add);
}

}  // namespace

std::string TarPlace::text() const {
  constexpr std::size_t kShown = 256;
  const bool whole = name.size() <= kShown;
  return fmt::format("reading tar entry {}{} at byte {}", quoted(name.substr(0, kShown)),
                     whole ? "" : "...", offset);
}

void TarContents::set_framing(std::uint64_t stored) {
  set({}, 0);
  framing_ = stored;
  padding_ = tar_padding(stored);
}

void TarContents::set_file(std::uint64_t size) {
  pieces_.assign(1, {0, size});
  set(std::move(pieces_), size);
}

void TarContents::set_sparse_file(std::vector<SparsePiece> pieces, std::uint64_t file_size) {
  set(std::move(pieces), file_size);
}

void TarContents::set(std::vector<SparsePiece> pieces, std::uint64_t file_size) {
  pieces_ = std::move(pieces);
  piece_ = 0;
  position_ = 0;
  file_size_ = file_size;
  framing_ = 0;
  padding_ = tar_padding(stored_size(pieces_));
}

std::vector<TarExtent> TarContents::extents() const {
  std::vector<TarExtent> extents;
  std::uint64_t tar_offset = input_.offset();
  for (const SparsePiece& piece : pieces_) {
    if (piece.length > 0) extents.push_back({tar_offset, piece.offset, piece.length});
    tar_offset += piece.length;
  }
  return extents;
}

void TarContents::drop_file() {
  if (!pieces_.empty()) set_framing(stored_size(pieces_));
}

std::size_t TarContents::read(std::span<std::byte> buffer) {
  const std::uint64_t next_piece = piece_ < pieces_.size() ? pieces_[piece_].offset : file_size_;
  if (position_ >= next_piece && piece_ < pieces_.size()) return read_stored(buffer);
  const std::size_t zeros = std::min<std::uint64_t>(buffer.size(), next_piece - position_);
  std::fill_n(buffer.begin(), zeros, std::byte{0});
  position_ += zeros;
  return zeros;
}

std::size_t TarContents::read_stored(std::span<std::byte> buffer) {
  const SparsePiece& piece = pieces_[piece_];
  const std::uint64_t left = piece.offset + piece.length - position_;
  if (left == 0) return 0;  // only an empty file has an empty piece
  const std::size_t got =
      input_.read_contents(position_, buffer.first(std::min<std::uint64_t>(buffer.size(), left)));
  if (got == 0) fail_truncated(place_);
  advance(got);
  return got;
}

void TarContents::advance(std::uint64_t count) {
  position_ += count;
  const SparsePiece& piece = pieces_[piece_];
  if (position_ == piece.offset + piece.length) ++piece_;
}

void TarContents::skip_rest() {
  while (piece_ < pieces_.size()) {
    const SparsePiece& piece = pieces_[piece_];
    position_ = std::max(position_, piece.offset);
    const std::uint64_t left = piece.offset + piece.length - position_;
    if (input_.skip_contents(position_, left) != left) fail_truncated(place_);
    advance(left);
  }
  const std::uint64_t framing = framing_ + padding_;
  if (input_.skip_framing(framing) != framing) fail_truncated(place_);
  set_framing(0);
}

}  // namespace layerkit
