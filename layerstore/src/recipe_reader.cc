#include "recipe_reader.h"

#include <fcntl.h>

#include <algorithm>
#include <cstring>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "recipe_format.h"
#include "store_layout.h"

namespace layerkit {
namespace {

/// Ours: ten gigabytes of zeros behind the end of a tar are a few kilobytes of recipe.
constexpr DecompressionLimits kRecipeLimits{.ratio = 0};

[[noreturn]] void fail_damaged(std::string_view why) {
  fail(Errc::Integrity, "reading the recipe: {}", why);
}

Fd open_recipe(int layer_fd) {
  return open_at(layer_fd, store_file::kRecipe, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
}

}  // namespace

RecipeReader::RecipeReader(int layer_fd)
    : file_(open_recipe(layer_fd)),
      source_(file_.get(), store_file::kRecipe),
      plain_(make_decompressing_source(source_, store_file::kRecipe, kRecipeLimits)) {
  if (text(recipe_format::kHeading.size()) != recipe_format::kHeading) {
    fail_damaged("it does not start as a recipe does");
  }
}

std::optional<recipe::Record> RecipeReader::next() {
  if (ended_) return std::nullopt;
  switch (byte()) {
    case recipe_format::kFraming:
      return recipe::Framing{bounded_text(recipe_format::kMaxFramingBytes)};
    case recipe_format::kFile:
      return file();
    case recipe_format::kReplaced:
      return replaced();
    case recipe_format::kEnd:
      return end();
    default:
      fail_damaged("unknown kind of record");
  }
}

recipe::File RecipeReader::file() {
  recipe::File file;
  file.path = path();
  file.size = number();
  const std::uint64_t pieces = number();
  if (pieces > recipe_format::kMaxPieces) fail_damaged("a file of too many pieces");
  for (std::uint64_t i = 0; i < pieces; ++i) {
    const std::uint64_t offset = number();
    const std::uint64_t length = number();
    if (offset > file.size || length > file.size - offset) {
      fail_damaged("contents beyond the end of their file");
    }
    file.pieces.push_back({offset, length});
  }
  for (unsigned shift = 0; shift < 32; shift += 8) {
    file.checksum |= std::uint32_t{byte()} << shift;
  }
  return file;
}

recipe::Replaced RecipeReader::replaced() {
  recipe::Replaced replaced;
  replaced.path = path();
  replaced.files_before = number();
  return replaced;
}

recipe::End RecipeReader::end() {
  const std::uint64_t tar_size = number();
  const std::string hex = text(2 * Sha256Digest::kBytes);
  ended_ = true;
  std::byte more{};
  if (used_ != buffer_.size() || plain_->read(std::span(&more, 1)) != 0) {
    fail_damaged("bytes after its end");
  }
  return {tar_size, DiffId::from_hex(hex)};
}

RelPath RecipeReader::path() {
  const std::string text = bounded_text(recipe_format::kMaxPathBytes);
  RelPath path = RelPath::parse(text);
  if (path.str() != text || path.is_root()) fail_damaged("a path is not canonical");
  return path;
}

std::string RecipeReader::bounded_text(std::size_t max_bytes) {
  const std::uint64_t size = number();
  if (size > max_bytes) fail_damaged("a record is too long");
  return text(size);
}

std::string RecipeReader::text(std::uint64_t size) {
  std::string text(size, '\0');
  read_exactly(std::as_writable_bytes(std::span(text)));
  return text;
}

std::uint64_t RecipeReader::number() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const std::uint64_t bits = byte();
    const std::uint64_t low = bits & 0x7fU;
    if (shift == 63 && low > 1) break;
    value |= low << shift;
    if ((bits & 0x80U) == 0) return value;
  }
  fail_damaged("a number is too large");
}

std::uint8_t RecipeReader::byte() {
  std::byte value{};
  read_exactly(std::span(&value, 1));
  return std::to_integer<std::uint8_t>(value);
}

void RecipeReader::read_exactly(std::span<std::byte> bytes) {
  constexpr std::size_t kBufferBytes = std::size_t{64} << 10;
  while (!bytes.empty()) {
    if (used_ == buffer_.size()) {
      buffer_.resize(kBufferBytes);
      buffer_.resize(plain_->read(buffer_));
      used_ = 0;
      if (buffer_.empty()) fail_damaged("it ends too early");
    }
    const std::size_t take = std::min(bytes.size(), buffer_.size() - used_);
    std::memcpy(bytes.data(), buffer_.data() + used_, take);
    used_ += take;
    bytes = bytes.subspan(take);
  }
}

}  // namespace layerkit
