#include "store_export.h"

#include <fcntl.h>
#include <zlib.h>

#include <algorithm>
#include <map>
#include <vector>

#include "layerkit/base/error.h"
#include "layerkit/base/root_dir.h"
#include "layerkit/base/text.h"
#include "recipe_reader.h"

namespace layerkit {
namespace {

/// Counts what is copied from one file.
class ChecksumSink final : public ByteSink {
 public:
  explicit ChecksumSink(ByteSink& inner) : inner_(inner) {}

  void write(std::span<const std::byte> bytes) override {
    const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
    checksum_ = ::crc32_z(checksum_, data, bytes.size());
    inner_.write(bytes);
  }
  std::uint32_t checksum() const noexcept { return static_cast<std::uint32_t>(checksum_); }

 private:
  ByteSink& inner_;
  uLong checksum_ = ::crc32_z(0, nullptr, 0);
};

/// Which file in `replaced/` a file record means.
class ReplacedTable {
 public:
  void add(const recipe::Replaced& replaced) {
    by_path_[replaced.path].push_back({replaced.files_before, count_++});
  }

  std::optional<std::uint64_t> find(const RelPath& path, std::uint64_t file_number) const {
    const auto found = by_path_.find(path);
    if (found == by_path_.end()) return std::nullopt;
    // The recipe tells of replacements in the order they happened.
    const auto& list = found->second;
    const auto slot = std::upper_bound(
        list.begin(), list.end(), file_number,
        [](std::uint64_t number, const Slot& s) { return number < s.files_before; });
    if (slot == list.end()) return std::nullopt;
    return slot->name;
  }

 private:
  struct Slot {
    std::uint64_t files_before;
    std::uint64_t name;
  };
  std::map<RelPath, std::vector<Slot>> by_path_;
  std::uint64_t count_ = 0;
};

class LayerExporter {
 public:
  LayerExporter(Fd layer, const LayerRecord& record, ByteSink& tar)
      : layer_(std::move(layer)),
        record_(record),
        diff_(open_dir_at(layer_.get(), store_file::kDiff)),
        tar_(tar) {
    if (record_.replaced != 0) {
      replaced_ = open_dir_at(layer_.get(), store_file::kReplaced);
      read_replaced_table();
    }
  }

  void run(const Context& context) {
    RecipeReader recipe(layer_.get());
    while (const auto record = recipe.next()) {
      context.check_interrupted();
      if (const auto* framing = std::get_if<recipe::Framing>(&*record)) {
        tar_.write(as_bytes(framing->bytes));
      } else if (const auto* file = std::get_if<recipe::File>(&*record)) {
        write_file(*file);
      } else if (const auto* end = std::get_if<recipe::End>(&*record)) {
        check_end(*end);
      }
    }
  }

 private:
  /// Replacements come after the records they are about: a pass of its own finds them.
  void read_replaced_table() {
    RecipeReader recipe(layer_.get());
    while (const auto record = recipe.next()) {
      if (const auto* one = std::get_if<recipe::Replaced>(&*record)) table_.add(*one);
    }
  }

  std::optional<Fd> open_contents(const recipe::File& file) const {
    constexpr int kFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    if (const auto kept = table_.find(file.path, file_number_)) {
      return open_at_if_exists(replaced_.get(), std::to_string(*kept), kFlags);
    }
    return diff_.open_if_exists(file.path, kFlags, Follow::No);
  }

  [[noreturn]] static void fail_changed(const recipe::File& file, std::string_view how) {
    fail(Errc::Integrity, "the file {} was changed in the store: {}", quoted(file.path.str()), how);
  }

  void write_file(const recipe::File& file) {
    const auto contents = open_contents(file);
    if (!contents) fail_changed(file, "it is gone");
    const FileStat stat = stat_fd(contents->get());
    if (stat.type != FileType::Regular) fail_changed(file, "it is not a regular file");
    if (stat.size != file.size) {
      fail_changed(file, fmt::format("it has {} bytes instead of {}", stat.size, file.size));
    }
    ChecksumSink sink(tar_);
    for (const recipe::Piece& piece : file.pieces) {
      FileRangeSource source(contents->get(), piece.offset, piece.length, file.path.str());
      copy(source, sink);
    }
    if (sink.checksum() != file.checksum) fail_changed(file, "its contents differ");
    ++file_number_;
  }

  void copy(ByteSource& from, ByteSink& to) {
    while (const std::size_t got = from.read(buffer_)) {
      to.write(std::span(buffer_).first(got));
    }
  }

  void check_end(const recipe::End& end) {
    if (end.diff_id != record_.info.diff_id || end.tar_size != record_.info.tar_size) {
      fail(Errc::Integrity, "the recipe is that of another layer");
    }
    if (tar_.size() != end.tar_size || DiffId(tar_.finish()) != end.diff_id) {
      fail(Errc::Integrity, "the tar made from the store does not have the layer's digest");
    }
  }

  Fd layer_;
  const LayerRecord& record_;
  RootDir diff_;
  HashingSink tar_;
  Fd replaced_;
  ReplacedTable table_;
  std::uint64_t file_number_ = 0;
  std::vector<std::byte> buffer_ =
      std::vector<std::byte>(std::size_t{256} << 10);  ///< for all files
};

}  // namespace

void export_stored_layer(const StoreDirs& dirs,
                         const ChainId& chain,
                         ByteSink& tar,
                         const Context& context) {
  const LayerRecord record = dirs.layer(chain);
  with_context([&] { return "exporting layer " + record.info.diff_id.str(); },
               [&] { LayerExporter(dirs.open_directory(chain.hex()), record, tar).run(context); });
}

}  // namespace layerkit
