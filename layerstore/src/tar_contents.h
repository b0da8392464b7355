#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "layerkit/base/byte_stream.h"
#include "tar_input.h"
#include "tar_sparse.h"

namespace layerkit {

/// Which entry a message is about.
struct TarPlace {
  std::string name;          ///< as the archive spells it
  std::uint64_t offset = 0;  ///< of its header

  /// "reading tar entry 'name' at byte 512"
  std::string text() const;
};

/// The stored bytes of one entry after another. As a source: the file they make, with the holes of
/// a sparse file filled with zeros.
class TarContents final : public ByteSource {
 public:
  /// Both must outlive it.
  TarContents(TarInput& input, const TarPlace& place) : input_(input), place_(place) {}

  /// `stored` bytes are framing: there is no file to read.
  void set_framing(std::uint64_t stored);
  /// The next `size` bytes are a file.
  void set_file(std::uint64_t size);
  /// The next bytes are the pieces, one after the other.
  void set_sparse_file(std::vector<SparsePiece> pieces, std::uint64_t file_size);

  /// Where the pieces are, before any of them is read.
  std::vector<TarExtent> extents() const;
  /// Makes framing of a file of which nothing was read.
  void drop_file();

  std::size_t read(std::span<std::byte> buffer) override;
  /// Consumes what was not read yet, and the padding.
  void skip_rest();

 private:
  void set(std::vector<SparsePiece> pieces, std::uint64_t file_size);
  std::size_t read_stored(std::span<std::byte> buffer);
  void advance(std::uint64_t count);

  TarInput& input_;
  const TarPlace& place_;
  std::vector<SparsePiece> pieces_;
  std::size_t piece_ = 0;       ///< the first piece that is not read to its end
  std::uint64_t position_ = 0;  ///< in the file
  std::uint64_t file_size_ = 0;
  std::uint64_t framing_ = 0;  ///< bytes without a file, not consumed yet
  std::uint64_t padding_ = 0;
};

}  // namespace layerkit
