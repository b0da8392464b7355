#include "layerkit/layerstore/tree_reader.h"

#include <utility>
#include <vector>

#include "diff_object.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "tree_links.h"

namespace layerkit {
namespace {

/// A directory on the way to the current object.
struct Level {
  RelPath path;
  std::shared_ptr<const LayerDir> directory;
  std::vector<LayerName> names;
  std::size_t next_hidden = 0;
  std::size_t next_name = 0;
  bool lower_shows = false;  ///< the lower directory of the same path is merged with it
  bool marker = false;       ///< an opaque marker is yet to be emitted
};

/// Depth first, one directory's names in memory per level.
class TreeReader final : public LayerReader {
 public:
  TreeReader(std::shared_ptr<const LayerTree> layer,
             std::shared_ptr<const LayerTree> lower,
             const Context& context)
      : layer_(std::move(layer)), lower_(std::move(lower)), context_(context) {}

  std::optional<Entry> next() override;
  ByteSource& contents() override;

 private:
  std::optional<Entry> start();
  std::optional<Entry> next_hidden(Level& level);
  std::optional<Entry> next_object(Level& level);
  void enter(const Entry& entry, std::shared_ptr<const LayerDir> directory, bool lower_shows);
  bool lower_has_directory(const RelPath& path) const;

  std::shared_ptr<const LayerTree> layer_;
  std::shared_ptr<const LayerTree> lower_;
  Context context_;
  std::vector<Level> levels_;
  TreeLinks links_;
  std::optional<RelPath> current_;  ///< the regular file whose contents may be asked for
  std::unique_ptr<ByteSource> source_;
  MemorySource nothing_{""};
  bool started_ = false;
};

std::optional<Entry> TreeReader::next() {
  source_.reset();
  current_.reset();
  if (!started_) {
    started_ = true;
    if (auto root = start()) return root;
  }
  while (!levels_.empty()) {
    context_.check_interrupted();
    Level& level = levels_.back();
    if (auto hidden = next_hidden(level)) return hidden;
    if (level.next_name == level.names.size()) {
      levels_.pop_back();
      continue;
    }
    if (auto entry = next_object(level)) return entry;
  }
  return std::nullopt;
}

std::optional<Entry> TreeReader::start() {
  Entry below;
  below.type = FileType::Directory;
  below.mode = 0755;
  if (lower_) below = lower_->lookup(RelPath()).value_or(below);
  Entry root = layer_->lookup(RelPath()).value_or(below);
  enter(root, layer_->root_dir(), lower_ != nullptr);
  root.hides = Hides::Nothing;
  if (root == below) return std::nullopt;
  return root;
}

/// `lower_shows`: nothing above hides the lower view.
void TreeReader::enter(const Entry& entry,
                       std::shared_ptr<const LayerDir> directory,
                       bool lower_shows) {
  Level level;
  level.path = entry.path;
  level.names = directory->list();
  level.directory = std::move(directory);
  const bool covers = lower_shows && lower_has_directory(entry.path);
  level.lower_shows = covers && entry.hides != Hides::Below;
  level.marker = covers && !level.lower_shows && !lower_->list(entry.path).empty();
  levels_.push_back(std::move(level));
}

std::optional<Entry> TreeReader::next_hidden(Level& level) {
  if (std::exchange(level.marker, false)) {
    Entry marker;
    marker.path = level.path;
    marker.type = FileType::Directory;
    marker.hides = Hides::Below;
    return marker;
  }
  while (level.next_hidden < level.names.size()) {
    const LayerName& name = level.names[level.next_hidden++];
    if (!name.is_whiteout || !level.lower_shows) continue;
    RelPath path = level.path / name.name;
    if (lower_->lookup(path)) return whiteout_of(path);
  }
  return std::nullopt;
}

std::optional<Entry> TreeReader::next_object(Level& level) {
  const LayerName& name = level.names[level.next_name++];
  if (name.is_whiteout) return std::nullopt;
  auto child = level.directory->find(name.name);
  if (!child) {
    fail(Errc::NotFound, "reading {}: it went away", quoted((level.path / name.name).absolute()));
  }
  Entry& entry = child->entry;
  if (child->directory) {
    enter(entry, std::move(child->directory), level.lower_shows);  // `level` is gone from here on
    entry.hides = Hides::Nothing;
    return std::move(entry);
  }
  if (entry.type == FileType::Socket) {
    context_.warn(
        fmt::format("leaving out {}: a layer cannot hold a socket", quoted(entry.path.str())));
    return std::nullopt;
  }
  links_.resolve(entry, layer_->identity(entry.path));
  if (entry.type == FileType::Regular && !entry.hard_link_target) current_ = entry.path;
  return std::move(entry);
}

ByteSource& TreeReader::contents() {
  if (!current_) return nothing_;
  if (!source_) source_ = layer_->open(*current_);
  return *source_;
}

bool TreeReader::lower_has_directory(const RelPath& path) const {
  const auto below = lower_->lookup(path);
  return below && below->is_directory();
}

}  // namespace

std::unique_ptr<LayerReader> make_tree_reader(std::shared_ptr<const LayerTree> layer,
                                              std::shared_ptr<const LayerTree> lower,
                                              const Context& context) {
  return std::make_unique<TreeReader>(std::move(layer), std::move(lower), context);
}

}  // namespace layerkit
