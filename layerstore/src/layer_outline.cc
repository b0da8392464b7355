#include "layerkit/layerstore/layer_outline.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <utility>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "memory_files.h"
#include "outline_tree.h"

namespace layerkit {
namespace {

/// The pieces of a file, with zeros between them.
class ExtentSource final : public ByteSource {
 public:
  ExtentSource(TarBytes bytes, std::vector<TarExtent> extents, std::uint64_t size)
      : bytes_(std::move(bytes)), extents_(std::move(extents)), size_(size) {}

  std::size_t read(std::span<std::byte> buffer) override;

 private:
  std::size_t read_extent(std::span<std::byte> buffer);

  TarBytes bytes_;
  std::vector<TarExtent> extents_;
  std::size_t next_ = 0;  ///< the extent that is being read or comes next
  std::unique_ptr<ByteSource> piece_;
  std::uint64_t position_ = 0;
  std::uint64_t size_;
};

std::size_t ExtentSource::read(std::span<std::byte> buffer) {
  const std::uint64_t data = next_ < extents_.size() ? extents_[next_].file_offset : size_;
  if (position_ >= data && next_ < extents_.size()) return read_extent(buffer);
  const std::size_t zeros = std::min<std::uint64_t>(buffer.size(), data - position_);
  std::fill_n(buffer.begin(), zeros, std::byte{0});
  position_ += zeros;
  return zeros;
}

std::size_t ExtentSource::read_extent(std::span<std::byte> buffer) {
  const TarExtent& extent = extents_[next_];
  if (!piece_) piece_ = bytes_(extent.tar_offset, extent.length);
  const std::uint64_t left = extent.file_offset + extent.length - position_;
  const std::size_t got = piece_->read(buffer.first(std::min<std::uint64_t>(buffer.size(), left)));
  if (got == 0) fail(Errc::Integrity, "reading a layer: its tar is shorter than before");
  position_ += got;
  if (got == left) {
    piece_.reset();
    ++next_;
  }
  return got;
}

/// A directory of an outline.
class OutlineDir final : public LayerDir {
 public:
  OutlineDir(const OutlineTable& table, const OutlineChildren& children, RelPath path)
      : table_(table), children_(children), path_(std::move(path)) {}

  std::optional<LayerChild> find(std::string_view name) const override;
  std::vector<LayerName> list() const override { return table_.names(children_); }

 private:
  const OutlineTable& table_;
  OutlineChildren children_;
  RelPath path_;
  mutable std::atomic<std::uint32_t> guess_ = 0;
};

std::optional<LayerChild> OutlineDir::find(std::string_view name) const {
  std::uint32_t guess = guess_.load(std::memory_order_relaxed);
  const auto item = table_.find(children_, name, guess);
  guess_.store(guess, std::memory_order_relaxed);
  if (!item) return std::nullopt;
  LayerChild child{table_.entry(*item, path_ / name), nullptr};
  if (item->record.is_directory()) {
    child.directory = std::make_shared<OutlineDir>(table_, item->record.children, child.entry.path);
  }
  return child;
}

}  // namespace

void OutlineTree::read(ByteSource& tar,
                       const Context& context,
                       const TarLimits& limits,
                       DiffFormat format,
                       const UseDraft& use) {
  const auto reader = make_tar_reader(tar, TarDialect::Layer, limits);
  DraftArena arena(temporary_->get(), kMaxMemory);
  MemoryFiles files(arena, [&reader] { return reader->extents(); });
  const BeforeRemoval nothing_to_keep;
  LayerApplier layer(arena, files, lower_, context, nothing_to_keep, format, limits.entries);
  while (const auto entry = reader->next()) {
    context.check_interrupted();
    layer.add(*entry, reader->contents());
  }
  layer.finish();
  if (use) use(layer, arena);
  table_.write(layer.root(), layer.hides_everything_below(), [&] { arena.tidy(); });
}

/// Makes `last_` the directory. False when there is none; `last_` is then one above it.
bool OutlineTree::go_to(const RelPath& directory) const {
  if (!last_.way.empty() && last_.path == directory) return true;
  Last at = std::exchange(last_, {});  // a failure leaves nothing half
  const std::vector<std::string_view> names = directory.components();
  if (at.way.empty()) {
    at.way.push_back(table_.root().record.children);
  } else {
    const auto ends = std::ranges::mismatch(names, at.path.components());
    at.way.resize(1 + static_cast<std::size_t>(ends.in1 - names.begin()));
  }
  at.guess = 0;
  at.path = directory;
  for (std::size_t i = at.way.size() - 1; i < names.size(); ++i) {
    std::uint32_t guess = 0;
    const auto item = table_.find(at.way.back(), names[i], guess);
    if (!item || !item->record.is_directory()) {
      const auto above = static_cast<std::size_t>(names[i].data() - directory.str().data());
      at.path = RelPath::parse(std::string_view(directory.str()).substr(0, above));
      last_ = std::move(at);
      return false;
    }
    at.way.push_back(item->record.children);
  }
  last_ = std::move(at);
  return true;
}

std::optional<OutlineTable::Item> OutlineTree::find(const RelPath& path) const {
  if (path.is_root()) return table_.root();
  const std::lock_guard lock(mutex_);
  if (!go_to(path.parent())) return std::nullopt;
  return table_.find(last_.way.back(), path.name(), last_.guess);
}

std::optional<Entry> OutlineTree::lookup(const RelPath& path) const {
  const auto item = find(path);
  if (!item) return std::nullopt;
  return table_.entry(*item, path);
}

std::vector<std::string> OutlineTree::list(const RelPath& path) const {
  const auto item = find(path);
  if (!item || !item->record.is_directory()) {
    fail(Errc::NotFound, "listing {}: it is not a directory", quoted(path.absolute()));
  }
  std::vector<std::string> result;
  for (LayerName& name : table_.names(item->record.children))
    result.push_back(std::move(name.name));
  return result;
}

std::unique_ptr<ByteSource> OutlineTree::open(const RelPath& path) const {
  const auto item = find(path);
  if (!item || item->record.is_whiteout || item->record.type != FileType::Regular) {
    fail(Errc::NotFound, "reading {}: it is not a regular file", quoted(path.absolute()));
  }
  if (item->record.is_lower) return lower_->open(RelPath::parse(table_.text(*item)));
  return std::make_unique<ExtentSource>(bytes_, table_.extents(*item), item->record.size);
}

std::optional<FileIdentity> OutlineTree::identity(const RelPath& path) const {
  const auto item = find(path);
  if (!item || item->record.is_whiteout || item->record.is_directory()) {
    fail(Errc::NotFound, "reading {}: no such file", quoted(path.absolute()));
  }
  if (item->record.links < 2) return std::nullopt;
  return FileIdentity{this, item->record.number, item->record.links};
}

std::shared_ptr<const LayerDir> OutlineTree::root_dir() const {
  return std::make_shared<OutlineDir>(table_, table_.root().record.children, RelPath());
}

std::shared_ptr<const LayerTree> outline_layer(ByteSource& tar,
                                               std::shared_ptr<const LayerTree> lower,
                                               TarBytes bytes,
                                               std::shared_ptr<const Fd> temporary,
                                               const Context& context,
                                               const TarLimits& limits) {
  auto tree =
      std::make_shared<OutlineTree>(std::move(lower), std::move(bytes), std::move(temporary));
  tree->read(tar, context, limits);
  return tree;
}

}  // namespace layerkit
