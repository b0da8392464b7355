#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tar_header.h"

namespace layerkit {

/// A run of stored bytes and where it stands in the file; all else in the file is zeros.
struct SparsePiece {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  bool operator==(const SparsePiece&) const = default;
};

/// Collects the pieces of one file in order. Throws Error{Invalid} for pieces that overlap, go
/// backwards or lie outside of the file, Error{Limit} for more than `max_pieces`.
class SparseMap final {
 public:
  explicit SparseMap(std::uint64_t max_pieces) : max_pieces_(max_pieces) {}

  void add(std::uint64_t offset, std::uint64_t length);
  /// Checks that the pieces fill the stored bytes exactly and lie within the file.
  void check(std::uint64_t file_size, std::uint64_t stored_size) const;
  std::vector<SparsePiece> release() { return std::move(pieces_); }
  /// How many pieces were added, empty ones included.
  std::uint64_t count() const noexcept { return count_; }

 private:
  std::uint64_t max_pieces_;
  std::vector<SparsePiece> pieces_;
  std::uint64_t count_ = 0;
  std::uint64_t end_ = 0;     ///< where the last piece ends
  std::uint64_t stored_ = 0;  ///< sum of the lengths
};

/// What GNU.sparse.* records say (GNU tar manual, "Storing Sparse Files"). Formats 0.0 and 0.1
/// carry the map itself, 1.0 announces one in front of the contents.
struct PaxSparse {
  std::optional<std::uint64_t> major;
  std::optional<std::uint64_t> minor;
  std::optional<std::string> name;
  std::optional<std::uint64_t> size;       ///< formats 0.x
  std::optional<std::uint64_t> real_size;  ///< format 1.0
  std::optional<std::uint64_t> block_count;
  std::optional<std::uint64_t> open_offset;  ///< format 0.0: an offset whose length is to come
  std::optional<SparseMap> map;

  /// Takes a record whose key is "GNU.sparse." + `key`; false for keys that are not known.
  bool take(std::string_view key, std::string_view value, std::uint64_t max_pieces);
  bool present() const noexcept {
    return major || minor || size || real_size || open_offset || map;
  }
  /// True when the map stands in front of the contents. Throws Error{Unsupported} for a version
  /// nobody wrote, Error{Invalid} for records that do not fit together.
  bool has_map_in_contents() const;
  std::uint64_t file_size() const;

 private:
  void take_map(std::string_view text, std::uint64_t max_pieces);
};

/// Reads the map of format 1.0, block by block: decimal lines, first the count.
class SparseMapReader final {
 public:
  explicit SparseMapReader(std::uint64_t max_pieces) : map_(max_pieces) {}

  /// Takes one block; true when the map is complete.
  bool take(std::string_view block);
  SparseMap release() { return std::move(map_); }

 private:
  bool take_number(std::uint64_t number);

  SparseMap map_;
  std::optional<std::uint64_t> count_;
  std::optional<std::uint64_t> offset_;
  std::string digits_;
};

/// The old GNU format: pieces in the header, then in extension blocks.
struct GnuSparseHeader {
  bool more_follows = false;
  std::uint64_t file_size = 0;
};
GnuSparseHeader read_gnu_sparse_header(const TarHeader& header, SparseMap& map);
/// True when another extension block follows.
bool read_gnu_sparse_extension(const TarHeader& block, SparseMap& map);

}  // namespace layerkit
