#include <map>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/layerstore/layer_tree.h"

namespace layerkit {
namespace {

/// One layer's part of a merged directory.
struct Part {
  const LayerTree* layer;
  std::shared_ptr<const LayerDir> directory;
};

/// A directory as the union shows it.
struct MergedDir {
  std::vector<Part> parts;   ///< the layers that have it and are not hidden, top first; none: there
                             ///< is no such directory
  bool hides_lower = false;  ///< what lies below the union's layers does not show through it
};

/// Directories that were asked about; whoever looks up one child often looks up the next.
class MergedDirs {
 public:
  std::shared_ptr<const MergedDir> find(const RelPath& path) const {
    const std::lock_guard lock(mutex_);
    const auto found = known_.find(path);
    return found == known_.end() ? nullptr : found->second;
  }

  void put(const RelPath& path, std::shared_ptr<const MergedDir> directory) {
    const std::lock_guard lock(mutex_);
    const std::size_t cost = (1 + directory->parts.size()) * (1 + path.str().size() / 128);
    // What is thrown away is found again: from the root, in as many steps as the path is long.
    if (cost_ + cost > kMaxCost) {
      known_.clear();
      cost_ = 0;
    }
    if (known_.emplace(path, std::move(directory)).second) cost_ += cost;
  }

 private:
  /// Directories and parts of them; each takes less than 300 bytes, and its path.
  static constexpr std::size_t kMaxCost = 8192;

  mutable std::mutex mutex_;
  std::unordered_map<RelPath, std::shared_ptr<const MergedDir>> known_;
  std::size_t cost_ = 0;
};

/// As overlayfs: a lookup goes down until something is found; directories go on being merged until
/// a whiteout, an opaque directory or an object that is no directory ends them.
class UnionView final : public LayerTree {
 public:
  enum class Shows {
    Tree,   ///< what a mount shows
    Layer,  ///< what hides lower layers, too
  };

  UnionView(std::vector<std::shared_ptr<const LayerTree>> base_to_top, Shows shows)
      : layers_(base_to_top.rbegin(), base_to_top.rend()), shows_(shows) {}

  std::optional<Entry> lookup(const RelPath& path) const override {
    auto found = find(path);
    if (!found) return std::nullopt;
    const std::lock_guard lock(mutex_);
    last_ = {path, found->first, found->second.is_directory()};
    return std::move(found->second);
  }

  std::vector<std::string> list(const RelPath& path) const override;

  std::unique_ptr<ByteSource> open(const RelPath& path) const override {
    const auto owner = owner_of(path);
    if (!owner) fail(Errc::NotFound, "reading {}: no such file", quoted(path.absolute()));
    return owner->layer->open(path);
  }

  std::optional<FileIdentity> identity(const RelPath& path) const override {
    const auto owner = owner_of(path);
    if (!owner || owner->is_directory) return std::nullopt;
    return owner->layer->identity(path);
  }

 private:
  using Found = std::pair<const LayerTree*, Entry>;

  /// Which layer gives what is seen at a path.
  struct Owner {
    RelPath path;
    const LayerTree* layer = nullptr;
    bool is_directory = false;
  };

  std::optional<Owner> owner_of(const RelPath& path) const;
  std::optional<Found> find(const RelPath& path) const;
  Found find_root() const;
  Hides hides(const RelPath& directory_path) const;
  std::shared_ptr<const MergedDir> directory(const RelPath& path) const;
  std::shared_ptr<const MergedDir> root_directory() const;

  std::vector<std::shared_ptr<const LayerTree>> layers_;  ///< top first
  Shows shows_;
  mutable MergedDirs known_;
  mutable std::mutex mutex_;
  /// Of what was found last: whoever looks something up often asks for more of it.
  mutable Owner last_;
};

std::shared_ptr<const MergedDir> merged_child(const MergedDir& parent, std::string_view name) {
  auto merged = std::make_shared<MergedDir>();
  merged->hides_lower = parent.hides_lower;
  for (const Part& part : parent.parts) {
    auto child = part.directory->find(name);
    if (!child) continue;
    const bool is_last = !child->directory || child->entry.hides == Hides::Below;
    if (child->directory) merged->parts.push_back({part.layer, std::move(child->directory)});
    if (!is_last) continue;
    merged->hides_lower = true;
    break;
  }
  return merged;
}

std::shared_ptr<const MergedDir> UnionView::root_directory() const {
  auto merged = std::make_shared<MergedDir>();
  for (const auto& layer : layers_) {
    merged->parts.push_back({layer.get(), layer->root_dir()});
    if (!layer->hides_lower(RelPath())) continue;
    merged->hides_lower = true;
    break;
  }
  return merged;
}

std::shared_ptr<const MergedDir> UnionView::directory(const RelPath& path) const {
  if (auto known = known_.find(path)) return known;
  // Up to what is known, and down again.
  std::vector<RelPath> unknown{path};
  std::shared_ptr<const MergedDir> merged;
  while (!unknown.back().is_root()) {
    RelPath parent = unknown.back().parent();
    merged = known_.find(parent);
    if (merged) break;
    unknown.push_back(std::move(parent));
  }
  for (auto at = unknown.rbegin(); at != unknown.rend(); ++at) {
    merged = at->is_root() ? root_directory() : merged_child(*merged, at->name());
    known_.put(*at, merged);
  }
  return merged;
}

UnionView::Found UnionView::find_root() const {
  for (const auto& layer : layers_) {
    if (auto entry = layer->lookup(RelPath())) {
      entry->hides = hides(RelPath());
      return {layer.get(), std::move(*entry)};
    }
  }
  Entry empty_root;
  empty_root.type = FileType::Directory;
  empty_root.mode = 0755;
  return {nullptr, std::move(empty_root)};
}

std::optional<UnionView::Found> UnionView::find(const RelPath& path) const {
  if (path.is_root()) return find_root();
  const auto parent = directory(path.parent());
  for (const Part& part : parent->parts) {
    auto child = part.directory->find(path.name());
    if (!child) continue;
    if (child->entry.is_whiteout()) {
      if (shows_ == Shows::Tree) return std::nullopt;
    } else {
      child->entry.hides = child->directory ? hides(path) : Hides::Nothing;
    }
    return Found(part.layer, std::move(child->entry));
  }
  return std::nullopt;
}

Hides UnionView::hides(const RelPath& directory_path) const {
  const bool tells = shows_ == Shows::Layer && directory(directory_path)->hides_lower;
  return tells ? Hides::Below : Hides::Nothing;
}

/// nullopt where there is nothing, and for a root that no layer has.
std::optional<UnionView::Owner> UnionView::owner_of(const RelPath& path) const {
  {
    const std::lock_guard lock(mutex_);
    if (last_.layer != nullptr && last_.path == path) return last_;
  }
  const auto found = find(path);
  if (!found || found->first == nullptr) return std::nullopt;
  return Owner{path, found->first, found->second.is_directory()};
}

std::vector<std::string> UnionView::list(const RelPath& path) const {
  const auto merged = directory(path);
  if (merged->parts.empty() && !path.is_root()) {
    fail(Errc::NotFound, "listing {}: it is not a directory", quoted(path.absolute()));
  }
  std::map<std::string, bool> names;  // the topmost word on each name: is it seen?
  for (const Part& part : merged->parts) {
    for (LayerName& name : part.directory->list())
      names.emplace(std::move(name.name), shows_ == Shows::Layer || !name.is_whiteout);
  }
  std::vector<std::string> seen;
  for (const auto& [name, is_seen] : names) {
    if (is_seen) seen.push_back(name);
  }
  return seen;
}

}  // namespace

std::shared_ptr<const LayerTree> make_union_view(
    std::vector<std::shared_ptr<const LayerTree>> base_to_top) {
  return std::make_shared<UnionView>(std::move(base_to_top), UnionView::Shows::Tree);
}

std::shared_ptr<const LayerTree> make_stacked_layer(
    std::vector<std::shared_ptr<const LayerTree>> base_to_top) {
  return std::make_shared<UnionView>(std::move(base_to_top), UnionView::Shows::Layer);
}

}  // namespace layerkit
