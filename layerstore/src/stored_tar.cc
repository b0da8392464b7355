#include "stored_tar.h"

#include <fcntl.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "compare_trees.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "store_layout.h"

namespace layerkit {

void ReplacedTable::add(const recipe::Replaced& replaced) {
  by_path_[replaced.path].push_back({replaced.files_before, count_++});
}

std::optional<std::uint64_t> ReplacedTable::find(const RelPath& path,
                                                 std::uint64_t file_number) const {
  const auto found = by_path_.find(path);
  if (found == by_path_.end()) return std::nullopt;
  // The recipe tells of replacements in the order they happened.
  const auto& list = found->second;
  const auto slot =
      std::upper_bound(list.begin(), list.end(), file_number,
                       [](std::uint64_t number, const Slot& s) { return number < s.files_before; });
  if (slot == list.end()) return std::nullopt;
  return slot->name;
}

StoredTar::StoredTar(Fd layer, Fd diff, OnChanged on_changed)
    : layer_(std::move(layer)),
      on_changed_(std::move(on_changed)),
      diff_(std::move(diff)),
      recipe_(layer_.get()) {
  if (!stat_at(layer_.get(), store_file::kReplaced)) return;
  replaced_ = open_dir_at(layer_.get(), store_file::kReplaced);
  // Replacements come after the records they are about: a pass of its own finds them.
  RecipeReader recipe(layer_.get());
  while (const auto record = recipe.next()) {
    if (const auto* one = std::get_if<recipe::Replaced>(&*record)) table_.add(*one);
  }
}

std::size_t StoredTar::read(std::span<std::byte> buffer) {
  for (;;) {
    if (framing_used_ < framing_.size()) {
      const std::size_t take = std::min(buffer.size(), framing_.size() - framing_used_);
      std::memcpy(buffer.data(), framing_.data() + framing_used_, take);
      framing_used_ += take;
      return take;
    }
    if (file_) {
      if (const std::size_t got = read_file(buffer)) return got;
      finish_file();
    } else if (!start_record()) {
      return 0;
    }
  }
}

/// False when the last record was read.
bool StoredTar::start_record() {
  auto record = recipe_.next();
  if (!record) return false;
  if (auto* framing = std::get_if<recipe::Framing>(&*record)) {
    framing_ = std::move(framing->bytes);
    framing_used_ = 0;
  } else if (auto* file = std::get_if<recipe::File>(&*record)) {
    start_file(std::move(*file));
  } else if (const auto* end = std::get_if<recipe::End>(&*record)) {
    end_ = *end;
  }
  return true;
}

void StoredTar::start_file(recipe::File file) {
  file_ = std::move(file);
  piece_ = 0;
  piece_used_ = 0;
  checksum_ = 0;
  const std::string problem = problem_of(*file_);
  if (!problem.empty()) report(problem);
  ++files_;
}

std::optional<Fd> StoredTar::open_contents(const recipe::File& file) const {
  constexpr int kFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  if (const auto kept = table_.find(file.path, files_)) {
    return open_at_if_exists(replaced_.get(), std::to_string(*kept), kFlags);
  }
  return diff_.open_if_exists(file.path, kFlags, Follow::No);
}

/// Opens the file; what is wrong with it, or nothing.
std::string StoredTar::problem_of(const recipe::File& file) {
  contents_.reset();
  try {
    auto contents = open_contents(file);
    if (!contents) return "it is gone";
    const FileStat stat = stat_fd(contents->get());
    if (stat.type != FileType::Regular) return "it is not a regular file";
    contents_ = std::move(*contents);
    if (stat.size == file.size) return {};
    return fmt::format("it has {} bytes instead of {}", stat.size, file.size);
  } catch (const Error& error) {
    if (!on_changed_) throw;
    return error.message();
  }
}

std::size_t StoredTar::read_file(std::span<std::byte> buffer) {
  while (piece_ < file_->pieces.size() && piece_used_ == file_->pieces[piece_].length) {
    ++piece_;
    piece_used_ = 0;
  }
  if (piece_ == file_->pieces.size()) return 0;
  const std::uint64_t left = file_->pieces[piece_].length - piece_used_;
  const auto part =
      buffer.first(static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer.size())));
  if (!read_bytes(part)) std::fill(part.begin(), part.end(), std::byte{});
  checksum_ = static_cast<std::uint32_t>(
      ::crc32_z(checksum_, reinterpret_cast<const unsigned char*>(part.data()), part.size()));
  piece_used_ += part.size();
  return part.size();
}

bool StoredTar::read_bytes(std::span<std::byte> buffer) {
  if (!contents_) return false;
  const recipe::Piece& piece = file_->pieces[piece_];
  try {
    FileRangeSource source(contents_.get(), piece.offset + piece_used_, buffer.size(),
                           file_->path.str());
    read_full(source, buffer);
    return true;
  } catch (const Error& error) {
    if (!on_changed_) throw;
    report(error.message());
    return false;
  }
}

void StoredTar::finish_file() {
  if (contents_ && checksum_ != file_->checksum) report("its contents differ");
  if (contents_ && on_changed_ && !holes_are_empty()) report("it has data where there were none");
  contents_.reset();
  file_.reset();
}

/// What is not in the tar were zeros.
bool StoredTar::holes_are_empty() const {
  std::uint64_t at = 0;
  for (const recipe::Piece& piece : file_->pieces) {
    if (piece.offset > at && !is_zero_range(contents_.get(), at, piece.offset - at)) return false;
    at = piece.offset + piece.length;
  }
  return at >= file_->size || is_zero_range(contents_.get(), at, file_->size - at);
}

/// After this the contents count as lost.
void StoredTar::report(const std::string& how) {
  const std::string& path = file_->path.str();
  if (!on_changed_) {
    fail(Errc::Integrity, "the file {} was changed in the store: {}", quoted(path), how);
  }
  contents_.reset();
  on_changed_(file_->path, how);
}

}  // namespace layerkit
