#include "tar_sparse.h"

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

constexpr std::uint64_t kMaxFileSize = INT64_MAX;  // off_t

constexpr std::size_t kGnuPieces = 386;
constexpr std::size_t kGnuPieceCount = 4;
constexpr std::size_t kGnuExtended = 482;
constexpr std::size_t kGnuRealSize = 483;
constexpr std::size_t kExtensionPieceCount = 21;
constexpr std::size_t kExtensionExtended = 504;
constexpr std::size_t kNumber = 12;

std::uint64_t parse_number(std::string_view text) {
  const auto number = parse_decimal(text);
  if (!number || *number > kMaxFileSize) {
    fail(Errc::Invalid, "its sparse map has {} for a number", quoted(text.substr(0, 32)));
  }
  return *number;
}

/// Pieces up to the first that is blank.
void add_gnu_pieces(const TarHeader& block, std::size_t at, std::size_t count, SparseMap& map) {
  for (std::size_t i = 0; i < count; ++i, at += 2 * kNumber) {
    const auto offset = block.bytes(at, kNumber);
    if (offset[0] == std::byte{0}) return;
    map.add(parse_tar_size(offset, "sparse map"),
            parse_tar_size(block.bytes(at + kNumber, kNumber), "sparse map"));
  }
}

}  // namespace

void SparseMap::add(std::uint64_t offset, std::uint64_t length) {
  if (offset < end_ || offset > kMaxFileSize || length > kMaxFileSize - offset) {
    fail(Errc::Invalid, "its sparse map has pieces that overlap or are out of order");
  }
  if (pieces_.size() >= max_pieces_) {
    fail(Errc::Limit, "its sparse map has more than {} pieces", max_pieces_);
  }
  ++count_;
  end_ = offset + length;
  stored_ += length;
  if (length > 0) pieces_.push_back({offset, length});
}

void SparseMap::check(std::uint64_t file_size, std::uint64_t stored_size) const {
  if (end_ > file_size) {
    fail(Errc::Invalid, "its sparse map reaches beyond the file's {} bytes", file_size);
  }
  if (stored_ != stored_size) {
    fail(Errc::Invalid, "its sparse map has {} bytes, {} are stored", stored_, stored_size);
  }
}

bool PaxSparse::take(std::string_view key, std::string_view value, std::uint64_t max_pieces) {
  if (key == "name") {
    name = std::string(value);
  } else if (key == "major") {
    major = parse_number(value);
  } else if (key == "minor") {
    minor = parse_number(value);
  } else if (key == "size") {
    size = parse_number(value);
  } else if (key == "realsize") {
    real_size = parse_number(value);
  } else if (key == "numblocks") {
    block_count = parse_number(value);
  } else if (key == "map") {
    take_map(value, max_pieces);
  } else if (key == "offset") {
    if (open_offset) fail(Errc::Invalid, "its sparse map has an offset without a length");
    open_offset = parse_number(value);
  } else if (key == "numbytes") {
    if (!open_offset) fail(Errc::Invalid, "its sparse map has a length without an offset");
    if (!map) map.emplace(max_pieces);
    map->add(*open_offset, parse_number(value));
    open_offset.reset();
  } else {
    return false;
  }
  return true;
}

void PaxSparse::take_map(std::string_view text, std::uint64_t max_pieces) {
  map.emplace(max_pieces);
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    if (comma == std::string_view::npos) {
      fail(Errc::Invalid, "its sparse map has an offset without a length");
    }
    const std::uint64_t offset = parse_number(text.substr(0, comma));
    text.remove_prefix(comma + 1);
    const std::size_t end = text.find(',');
    map->add(offset, parse_number(text.substr(0, end)));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
}

bool PaxSparse::has_map_in_contents() const {
  if (open_offset) fail(Errc::Invalid, "its sparse map has an offset without a length");
  const std::uint64_t version_major = major.value_or(0);
  const std::uint64_t version_minor = minor.value_or(0);
  if (version_major > 1 || version_minor > 1 || (version_major == 1 && version_minor != 0)) {
    fail(Errc::Unsupported, "its sparse format {}.{} is unknown", version_major, version_minor);
  }
  if (version_major == 1) return true;
  if (!size) fail(Errc::Invalid, "its sparse map comes without the size of the file");
  if (block_count && *block_count != (map ? map->count() : 0)) {
    fail(Errc::Invalid, "its sparse map has not the {} pieces it announces", *block_count);
  }
  return false;
}

std::uint64_t PaxSparse::file_size() const {
  if (major.value_or(0) == 1) {
    if (!real_size) fail(Errc::Invalid, "its sparse map comes without the size of the file");
    return *real_size;
  }
  return size.value_or(0);
}

bool SparseMapReader::take(std::string_view block) {
  constexpr std::size_t kMaxDigits = 20;
  while (!block.empty()) {
    const std::size_t newline = block.find('\n');
    digits_.append(block.substr(0, newline));
    if (digits_.size() > kMaxDigits) fail(Errc::Invalid, "its sparse map is not a list of numbers");
    if (newline == std::string_view::npos) return false;
    block.remove_prefix(newline + 1);
    const std::uint64_t number = parse_number(digits_);
    digits_.clear();
    if (take_number(number)) return true;
  }
  return false;
}

bool SparseMapReader::take_number(std::uint64_t number) {
  if (!count_) {
    count_ = number;
  } else if (!offset_) {
    offset_ = number;
    return false;
  } else {
    map_.add(*offset_, number);
    offset_.reset();
    --*count_;
  }
  return *count_ == 0;
}

GnuSparseHeader read_gnu_sparse_header(const TarHeader& header, SparseMap& map) {
  add_gnu_pieces(header, kGnuPieces, kGnuPieceCount, map);
  return {.more_follows = header.bytes(kGnuExtended, 1)[0] != std::byte{0},
          .file_size = parse_tar_size(header.bytes(kGnuRealSize, kNumber), "real size")};
}

bool read_gnu_sparse_extension(const TarHeader& block, SparseMap& map) {
  add_gnu_pieces(block, 0, kExtensionPieceCount, map);
  return block.bytes(kExtensionExtended, 1)[0] != std::byte{0};
}

}  // namespace layerkit
