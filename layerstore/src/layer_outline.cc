#include "layerkit/layerstore/layer_outline.h"

#include <algorithm>
#include <utility>

#include "diff_object.h"
#include "layer_applier.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "memory_files.h"
#include "outline_tree.h"
#include "packed_xattrs.h"

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
  OutlineDir(const OutlineTree& tree, const DraftDir& dir, RelPath path)
      : tree_(tree), dir_(dir), path_(std::move(path)) {}

  std::optional<LayerChild> find(std::string_view name) const override {
    return tree_.child(dir_, path_, name);
  }
  std::vector<LayerName> list() const override { return tree_.names(dir_); }

 private:
  const OutlineTree& tree_;
  const DraftDir& dir_;
  RelPath path_;
};

}  // namespace

void OutlineTree::read(ByteSource& tar, const TarLimits& limits, DiffFormat format) {
  const auto reader = make_tar_reader(tar, TarDialect::Layer, limits);
  MemoryFiles files(arena_, [&reader] { return reader->extents(); });
  const BeforeRemoval nothing_to_keep;
  LayerApplier layer(arena_, files, lower_, context_, nothing_to_keep, format, limits.entries);
  while (const auto entry = reader->next()) {
    context_.check_interrupted();
    layer.add(*entry, reader->contents());
  }
  layer.finish();
  root_ = &layer.root();
  root_is_opaque_ = layer.hides_everything_below();
  content_bytes_ = layer.content_bytes();
}

const DraftDir* OutlineTree::find_dir(const RelPath& path) const {
  const DraftDir* dir = root_;
  for (const std::string_view name : path.components()) {
    dir = dir->child(name);
    if (dir == nullptr || !dir->made) return nullptr;
  }
  return dir;
}

const DraftFile* OutlineTree::find_file(const RelPath& path) const {
  const DraftDir* dir = path.is_root() ? nullptr : find_dir(path.parent());
  if (dir == nullptr) return nullptr;
  const auto file = dir->files.find(path.name());
  return file == dir->files.end() ? nullptr : file->second;
}

Entry OutlineTree::entry_of(const DraftDir& dir, RelPath path) const {
  Entry entry;
  entry.path = std::move(path);
  entry.type = FileType::Directory;
  entry.mode = dir.mode;
  entry.uid = dir.uid;
  entry.gid = dir.gid;
  entry.mtime = dir.mtime;
  entry.xattrs = decode_xattrs(std::string_view(dir.xattrs));
  const bool opaque = dir.is_root() ? root_is_opaque_ : dir.opaque;
  if (opaque) entry.hides = Hides::Below;
  return entry;
}

Entry OutlineTree::entry_of(const DraftFile& file, RelPath path) const {
  Entry entry;
  entry.path = std::move(path);
  entry.type = file.type;
  // As Linux shows it of every symlink.
  entry.mode = file.type == FileType::Symlink ? 0777 : file.mode;
  entry.uid = file.uid;
  entry.gid = file.gid;
  entry.size = file.size;
  entry.mtime = file.mtime;
  entry.device_major = file.device_major;
  entry.device_minor = file.device_minor;
  if (file.type == FileType::Symlink) entry.symlink_target = file.text;
  entry.xattrs = decode_xattrs(std::string_view(file.xattrs));
  return entry;
}

std::optional<LayerChild> OutlineTree::child(const DraftDir& dir,
                                             const RelPath& dir_path,
                                             std::string_view name) const {
  tidy();
  if (const DraftDir* own = dir.child(name); own != nullptr && own->made) {
    RelPath path = dir_path / name;
    return LayerChild{entry_of(*own, path), std::make_shared<OutlineDir>(*this, *own, path)};
  }
  if (const auto file = dir.files.find(name); file != dir.files.end()) {
    return LayerChild{entry_of(*file->second, dir_path / name), nullptr};
  }
  if (dir.is(name, NameState::WhitedOut)) return LayerChild{whiteout_of(dir_path / name), nullptr};
  return std::nullopt;
}

std::vector<LayerName> OutlineTree::names(const DraftDir& dir) const {
  tidy();
  std::vector<LayerName> names;
  for (const auto& [name, own] : dir.children) {
    if (own->made) names.push_back({std::string(name), false});
  }
  for (const auto& [name, file] : dir.files)
    names.push_back({std::string(name), false});
  for (const auto& [name, state] : dir.special) {
    if (state == NameState::WhitedOut) names.push_back({std::string(name), true});
  }
  std::ranges::sort(names, {}, &LayerName::name);
  return names;
}

std::optional<Entry> OutlineTree::lookup(const RelPath& path) const {
  if (path.is_root()) return entry_of(*root_, path);
  const DraftDir* dir = find_dir(path.parent());
  if (dir == nullptr) return std::nullopt;
  auto found = child(*dir, path.parent(), path.name());
  if (!found) return std::nullopt;
  return std::move(found->entry);
}

std::vector<std::string> OutlineTree::list(const RelPath& path) const {
  const DraftDir* dir = find_dir(path);
  if (dir == nullptr) {
    fail(Errc::NotFound, "listing {}: it is not a directory", quoted(path.absolute()));
  }
  std::vector<std::string> result;
  for (LayerName& name : names(*dir))
    result.push_back(std::move(name.name));
  return result;
}

std::unique_ptr<ByteSource> OutlineTree::open(const RelPath& path) const {
  const DraftFile* file = find_file(path);
  if (file == nullptr || file->type != FileType::Regular) {
    fail(Errc::NotFound, "reading {}: it is not a regular file", quoted(path.absolute()));
  }
  if (file->is_lower) return lower_->open(RelPath::parse(file->text));
  return std::make_unique<ExtentSource>(
      bytes_, std::vector<TarExtent>(file->extents.begin(), file->extents.end()), file->size);
}

std::optional<FileIdentity> OutlineTree::identity(const RelPath& path) const {
  const DraftFile* file = find_file(path);
  if (file == nullptr) fail(Errc::NotFound, "reading {}: no such file", quoted(path.absolute()));
  if (file->links < 2) return std::nullopt;
  return FileIdentity{this, file->number, file->links};
}

std::shared_ptr<const LayerDir> OutlineTree::root_dir() const {
  return std::make_shared<OutlineDir>(*this, *root_, RelPath());
}

std::shared_ptr<const LayerTree> outline_layer(ByteSource& tar,
                                               std::shared_ptr<const LayerTree> lower,
                                               TarBytes bytes,
                                               std::shared_ptr<const Fd> temporary,
                                               const Context& context,
                                               const TarLimits& limits) {
  auto tree = std::make_shared<OutlineTree>(std::move(lower), std::move(bytes),
                                            std::move(temporary), context);
  tree->read(tar, limits);
  return tree;
}

}  // namespace layerkit
