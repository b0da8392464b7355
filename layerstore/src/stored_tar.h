#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/fd.h"
#include "layerkit/base/root_dir.h"
#include "recipe_reader.h"

namespace layerkit {

/// Which file in `replaced/` a file record of a recipe means: docs/formats/store.md, "replaced".
class ReplacedTable {
 public:
  void add(const recipe::Replaced& replaced);
  std::optional<std::uint64_t> find(const RelPath& path, std::uint64_t file_number) const;
  std::uint64_t count() const noexcept { return count_; }

 private:
  struct Slot {
    std::uint64_t files_before;
    std::uint64_t name;
  };
  std::map<RelPath, std::vector<Slot>> by_path_;
  std::uint64_t count_ = 0;
};

/// The tar of a stored layer, made from its recipe and its files while it is read. Only the end
/// record's digest vouches for it: that is for the reader of the stream to compare.
class StoredTar final : public ByteSource {
 public:
  /// Told about a file whose contents are not what they were; `how`: "it is gone". The bytes that
  /// cannot be had are zeros then, so that everything behind them stays in its place.
  using OnChanged = std::function<void(const RelPath& path, const std::string& how)>;

  /// `layer` is the open directory of the layer's records, `diff` that of its files. Without
  /// `on_changed` a changed file is Error{Integrity}; so is a recipe that cannot be read in any
  /// case.
  StoredTar(Fd layer, Fd diff, OnChanged on_changed = {});

  std::size_t read(std::span<std::byte> buffer) override;

  /// The recipe's last word; set when everything was read.
  const std::optional<recipe::End>& end() const noexcept { return end_; }
  /// File records that were begun so far.
  std::uint64_t files() const noexcept { return files_; }

 private:
  bool start_record();
  void start_file(recipe::File file);
  std::optional<Fd> open_contents(const recipe::File& file) const;
  std::string problem_of(const recipe::File& file);
  std::size_t read_file(std::span<std::byte> buffer);
  bool read_bytes(std::span<std::byte> buffer);
  void finish_file();
  bool holes_are_empty() const;
  void report(const std::string& how);

  Fd layer_;
  OnChanged on_changed_;
  RootDir diff_;
  Fd replaced_;
  ReplacedTable table_;
  RecipeReader recipe_;
  std::string framing_;
  std::size_t framing_used_ = 0;
  std::optional<recipe::File> file_;  ///< the open one
  Fd contents_;                       ///< of it; closed when they cannot be had
  std::size_t piece_ = 0;
  std::uint64_t piece_used_ = 0;
  std::uint32_t checksum_ = 0;
  std::uint64_t files_ = 0;
  std::optional<recipe::End> end_;
};

}  // namespace layerkit
