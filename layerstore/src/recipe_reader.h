#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/digest.h"
#include "layerkit/base/fd.h"
#include "layerkit/base/rel_path.h"
#include "layerkit/layerstore/compression.h"

namespace layerkit {

namespace recipe {

struct Framing {
  std::string bytes;
};

struct Piece {
  std::uint64_t offset;
  std::uint64_t length;
};

/// Contents that are in a file.
struct File {
  RelPath path;  ///< in the diff directory
  std::uint64_t size = 0;
  std::vector<Piece> pieces;
  std::uint32_t checksum = 0;  ///< CRC-32 of the pieces in turn
};

/// The first `files_before` file records that name `path` mean the next file in `replaced/`.
struct Replaced {
  RelPath path;
  std::uint64_t files_before = 0;
};

struct End {
  std::uint64_t tar_size;
  DiffId diff_id;
};

using Record = std::variant<Framing, File, Replaced, End>;

}  // namespace recipe

/// Reads what RecipeWriter wrote. Throws Error{Integrity} for anything else.
class RecipeReader {
 public:
  /// Opens the file `recipe` in `layer_fd`.
  explicit RecipeReader(int layer_fd);

  /// The next record, or nullopt after the end record.
  std::optional<recipe::Record> next();

 private:
  void read_exactly(std::span<std::byte> bytes);
  std::string text(std::uint64_t size);
  std::uint8_t byte();
  std::uint64_t number();
  std::string bounded_text(std::size_t max_bytes);
  RelPath path();
  recipe::File file();
  recipe::Replaced replaced();
  recipe::End end();

  Fd file_;
  FdSource source_;
  std::unique_ptr<DecompressingSource> plain_;
  std::vector<std::byte> buffer_;  ///< decompressed, `used_` of it taken
  std::size_t used_ = 0;
  bool ended_ = false;
};

}  // namespace layerkit
