#pragma once

#include <zlib.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/digest.h"
#include "layerkit/base/fd.h"
#include "layerkit/base/rel_path.h"
#include "layerkit/layerstore/compression.h"
#include "layerkit/layerstore/tar.h"

namespace layerkit {

/// Whether an entry's contents become a file of their own in the diff directory.
inline bool is_stored_file(const Entry& entry) {
  return entry.hides == Hides::Nothing && entry.type == FileType::Regular &&
         !entry.hard_link_target;
}

/// Writes down how to make a tar again from its framing and the files of a diff directory.
/// Contents become references between `begin_file` and `end_file`; all others are kept as they
/// are, so whatever the tar holds is in the recipe or in a file it names.
class RecipeWriter final : public TarObserver {
 public:
  /// Creates the file `recipe` in `layer_fd`.
  explicit RecipeWriter(int layer_fd);

  void on_framing(std::span<const std::byte> bytes) override;
  void on_contents(std::uint64_t file_offset, std::span<const std::byte> bytes) override;

  /// Contents are those of one file from here on, which `end_file` names.
  void begin_file();
  /// `path` is the file in the diff directory, `size` its length.
  void end_file(const RelPath& path, std::uint64_t size);
  /// The file at `path` was kept as the next file in `replaced/`; what came so far means that one.
  void replaced(const RelPath& path);
  /// Completes the file; not durable.
  void finish(const DiffId& diff_id, std::uint64_t tar_size);

 private:
  struct Piece {
    std::uint64_t offset;
    std::uint64_t length;
  };

  void put(std::string_view bytes);
  void put_byte(std::uint8_t value);
  void put_number(std::uint64_t value);
  void put_path(const RelPath& path);
  void flush_framing();
  void add_framing(std::span<const std::byte> bytes);
  void put_file(const RelPath& path, std::uint64_t size);

  Fd file_;
  FdSink sink_;
  std::unique_ptr<CompressingSink> compressed_;
  std::string out_;      ///< records that were not compressed yet
  std::string framing_;  ///< not in a record yet
  std::uint64_t files_ = 0;

  bool in_file_ = false;
  std::vector<Piece> pieces_;  ///< of the open file
  uLong checksum_ = 0;         ///< of the open file
  std::string after_pieces_;   ///< framing that came after the open file's contents
};

}  // namespace layerkit
