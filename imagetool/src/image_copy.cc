#include "layerkit/imagetool/image_copy.h"

#include <fcntl.h>

#include <memory>
#include <utility>

#include "copy_place.h"
#include "copy_stream.h"
#include "copy_writer.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/tree_path.h"
#include "layerkit/layerstore/file_tar.h"
#include "layerkit/layerstore/tree_reader.h"

namespace layerkit {
namespace {

/// What a tree has at and below one path.
class Subtree final : public LayerTree {
 public:
  Subtree(std::shared_ptr<const LayerTree> tree, RelPath top)
      : tree_(std::move(tree)), top_(std::move(top)) {}

  std::optional<Entry> lookup(const RelPath& path) const override {
    auto entry = tree_->lookup(top_ / path);
    if (entry) entry->path = path;
    return entry;
  }
  std::vector<std::string> list(const RelPath& path) const override {
    return tree_->list(top_ / path);
  }
  std::unique_ptr<ByteSource> open(const RelPath& path) const override {
    return tree_->open(top_ / path);
  }
  std::optional<FileIdentity> identity(const RelPath& path) const override {
    return tree_->identity(top_ / path);
  }

 private:
  std::shared_ptr<const LayerTree> tree_;
  RelPath top_;
};

/// One object that is no directory.
class SingleReader final : public LayerReader {
 public:
  SingleReader(const LayerTree& tree, Entry entry) : entry_(std::move(entry)) {
    if (entry_->type == FileType::Regular) contents_ = tree.open(entry_->path);
    entry_->path = RelPath();
  }

  std::optional<Entry> next() override { return std::exchange(entry_, std::nullopt); }
  ByteSource& contents() override {
    if (contents_) return *contents_;
    return nothing_;
  }

 private:
  class Nothing final : public ByteSource {
   public:
    std::size_t read(std::span<std::byte> /*buffer*/) override { return 0; }
  };

  std::optional<Entry> entry_;
  std::unique_ptr<ByteSource> contents_;
  Nothing nothing_;
};

struct RenamingOptions {
  RelPath name;
  bool with_object = true;
  bool takes_devices = true;
};

/// A directory and what is in it.
class DirectoryReader final : public LayerReader {
 public:
  DirectoryReader(std::shared_ptr<const LayerTree> tree,
                  const RelPath& path,
                  const Context& context)
      : tree_(std::make_shared<Subtree>(std::move(tree), path)),
        top_(tree_->lookup(RelPath())),
        below_(make_tree_reader(tree_, nullptr, context)) {}

  std::optional<Entry> next() override {
    if (top_) return std::exchange(top_, std::nullopt);
    auto entry = below_->next();
    while (entry && entry->path.is_root())
      entry = below_->next();
    return entry;
  }
  ByteSource& contents() override { return below_->contents(); }

 private:
  std::shared_ptr<const LayerTree> tree_;
  std::optional<Entry> top_;
  std::unique_ptr<LayerReader> below_;
};

/// Entries below another name.
class RenamedReader final : public LayerReader {
 public:
  RenamedReader(std::unique_ptr<LayerReader> inner, RenamingOptions options, const Context& context)
      : inner_(std::move(inner)), options_(std::move(options)), context_(context) {}

  std::optional<Entry> next() override {
    while (auto entry = inner_->next()) {
      if (entry->path.is_root() && !options_.with_object) continue;
      entry->path = options_.name / entry->path;
      if (entry->hard_link_target)
        entry->hard_link_target = options_.name / *entry->hard_link_target;
      const bool is_device =
          entry->type == FileType::CharDevice || entry->type == FileType::BlockDevice;
      if (!is_device || options_.takes_devices) return entry;
      context_.warn(
          fmt::format("{} is left out: it is a device", layerkit::quoted(entry->path.absolute())));
    }
    return std::nullopt;
  }
  ByteSource& contents() override { return inner_->contents(); }

 private:
  std::unique_ptr<LayerReader> inner_;
  RenamingOptions options_;
  const Context& context_;
};

struct Source {
  Entry entry;
  bool means_content = false;

  RelPath name() const {
    return entry.path.is_root() ? RelPath() : RelPath::parse(std::string(entry.path.name()));
  }
};

Source find_source(const LayerTree& tree, const std::string& text, bool follows_link) {
  const CopyPath path = parse_copy_path(text);
  const LastLink last =
      follows_link || path.is_directory || path.means_content ? LastLink::Follow : LastLink::Keep;
  auto entry = resolve_path(tree, path.path.str(), last);
  if (!entry) fail(Errc::NotFound, "Could not find the file {} in the image", quoted(text));
  if (!entry->is_directory() && (path.is_directory || path.means_content))
    fail(Errc::Invalid, "{} in the image is not a directory", quoted(text));
  // The root itself has no name to keep.
  return {std::move(*entry), path.means_content || path.path.is_root()};
}

std::unique_ptr<LayerReader> read(const std::shared_ptr<const LayerTree>& tree,
                                  const Source& source,
                                  RenamingOptions options,
                                  const Context& context) {
  std::unique_ptr<LayerReader> entries;
  if (source.entry.is_directory()) {
    entries = std::make_unique<DirectoryReader>(tree, source.entry.path, context);
  } else {
    entries = std::make_unique<SingleReader>(*tree, source.entry);
  }
  return std::make_unique<RenamedReader>(std::move(entries), std::move(options), context);
}

}  // namespace

std::uint64_t copy_from_tree(const std::shared_ptr<const LayerTree>& tree,
                             const std::string& source,
                             const std::string& host_target,
                             const CopyOptions& options,
                             const Context& context) {
  const Source found = find_source(*tree, source, options.follows_link);
  const RootDir host = root_of_host();
  const CopyTarget place =
      find_copy_target(host, absolute_host_path(host_target), found.entry.is_directory());
  RenamingOptions renaming;
  renaming.takes_devices = false;
  if (place.name) {
    renaming.name = *place.name;
  } else if (found.means_content) {
    renaming.with_object = false;
  } else {
    renaming.name = found.name();
  }
  const auto entries = read(tree, found, std::move(renaming), context);
  CopyWriterOptions writing;
  writing.keeps_owners = options.keeps_owners;
  const auto writer = make_copy_writer(
      RootDir(host.open(place.directory, O_PATH | O_DIRECTORY, Follow::InRoot)), writing, context);
  return move_entries(*entries, *writer, context);
}

std::uint64_t export_from_tree(const std::shared_ptr<const LayerTree>& tree,
                               const std::string& source,
                               ByteSink& tar,
                               const CopyOptions& options,
                               const Context& context) {
  const Source found = find_source(*tree, source, options.follows_link);
  RenamingOptions renaming;
  if (!found.means_content) renaming.name = found.name();
  renaming.with_object = !found.means_content;
  const auto entries = read(tree, found, std::move(renaming), context);
  const auto writer = make_file_tar_writer(tar);
  return move_entries(*entries, *writer, context);
}

}  // namespace layerkit
