#include "recipe_writer.h"

#include <fcntl.h>

#include <algorithm>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "recipe_format.h"
#include "store_layout.h"

namespace layerkit {
namespace {

Fd create_recipe(int layer_fd) {
  return open_at(layer_fd, store_file::kRecipe, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
}

void append(std::string& text, std::span<const std::byte> bytes) {
  text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace

RecipeWriter::RecipeWriter(int layer_fd)
    : file_(create_recipe(layer_fd)),
      sink_(file_.get(), store_file::kRecipe),
      compressed_(make_compressing_sink(sink_, Compression::Zstd)) {
  put(recipe_format::kHeading);
}

void RecipeWriter::on_framing(std::span<const std::byte> bytes) {
  // Records are in the order of the tar: padding waits until the file before it is written down.
  if (in_file_ && !pieces_.empty()) {
    append(after_pieces_, bytes);
  } else {
    add_framing(bytes);
  }
}

void RecipeWriter::on_contents(std::uint64_t file_offset, std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  if (!in_file_) return add_framing(bytes);
  if (!after_pieces_.empty()) {
    fail(Errc::Invalid, "writing down a layer: framing inside the contents of a file");
  }
  checksum_ =
      ::crc32_z(checksum_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  if (!pieces_.empty() && pieces_.back().offset + pieces_.back().length == file_offset) {
    pieces_.back().length += bytes.size();
  } else {
    if (pieces_.size() == recipe_format::kMaxPieces) {
      fail(Errc::Limit, "writing down a layer: a file of more than {} pieces",
           recipe_format::kMaxPieces);
    }
    pieces_.push_back({file_offset, bytes.size()});
  }
}

void RecipeWriter::begin_file() {
  in_file_ = true;
  pieces_.clear();
  after_pieces_.clear();
  checksum_ = ::crc32_z(0, nullptr, 0);
}

void RecipeWriter::end_file(const RelPath& path, std::uint64_t size) {
  if (!pieces_.empty()) put_file(path, size);
  in_file_ = false;
  add_framing(as_bytes(after_pieces_));
}

void RecipeWriter::replaced(const RelPath& path) {
  put_byte(recipe_format::kReplaced);
  put_path(path);
  put_number(files_);
}

void RecipeWriter::finish(const DiffId& diff_id, std::uint64_t tar_size) {
  flush_framing();
  put_byte(recipe_format::kEnd);
  put_number(tar_size);
  put(diff_id.hex());
  compressed_->write(as_bytes(out_));
  compressed_->finish();
}

void RecipeWriter::put_file(const RelPath& path, std::uint64_t size) {
  flush_framing();
  put_byte(recipe_format::kFile);
  put_path(path);
  put_number(size);
  put_number(pieces_.size());
  for (const Piece& piece : pieces_) {
    put_number(piece.offset);
    put_number(piece.length);
  }
  for (unsigned shift = 0; shift < 32; shift += 8) {
    put_byte(static_cast<std::uint8_t>(checksum_ >> shift & 0xffU));
  }
  ++files_;
}

void RecipeWriter::put(std::string_view bytes) {
  out_.append(bytes);
  if (out_.size() < recipe_format::kMaxFramingBytes) return;
  compressed_->write(as_bytes(out_));
  out_.clear();
}

void RecipeWriter::put_byte(std::uint8_t value) {
  const char byte = static_cast<char>(value);
  put({&byte, 1});
}

void RecipeWriter::put_number(std::uint64_t value) {
  while (value >= 0x80U) {
    put_byte(static_cast<std::uint8_t>(value | 0x80U));
    value >>= 7U;
  }
  put_byte(static_cast<std::uint8_t>(value));
}

void RecipeWriter::put_path(const RelPath& path) {
  put_number(path.str().size());
  put(path.str());
}

void RecipeWriter::add_framing(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const std::size_t room = recipe_format::kMaxFramingBytes - framing_.size();
    const std::size_t take = std::min(room, bytes.size());
    append(framing_, bytes.first(take));
    bytes = bytes.subspan(take);
    if (framing_.size() == recipe_format::kMaxFramingBytes) flush_framing();
  }
}

void RecipeWriter::flush_framing() {
  if (framing_.empty()) return;
  put_byte(recipe_format::kFraming);
  put_number(framing_.size());
  put(framing_);
  framing_.clear();
}

}  // namespace layerkit
