#include <map>
#include <utility>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/layerstore/layer_tree.h"

namespace layerkit {
namespace {

/// As overlayfs: a lookup goes down until something is found; directories go on being merged until
/// a whiteout, an opaque directory or an object that is no directory ends them.
class UnionView final : public LayerTree {
 public:
  explicit UnionView(std::vector<std::shared_ptr<const LayerTree>> base_to_top)
      : layers_(base_to_top.rbegin(), base_to_top.rend()) {}

  std::optional<Entry> lookup(const RelPath& path) const override {
    auto found = find(path);
    if (!found) return std::nullopt;
    return std::move(found->second);
  }

  std::vector<std::string> list(const RelPath& path) const override;

  std::unique_ptr<ByteSource> open(const RelPath& path) const override {
    const auto found = find(path);
    if (!found) fail(Errc::NotFound, "reading {}: no such file", quoted(path.absolute()));
    return found->first->open(path);
  }

 private:
  using Found = std::pair<const LayerTree*, Entry>;

  std::optional<Found> find(const RelPath& path) const;

  std::vector<std::shared_ptr<const LayerTree>> layers_;  ///< top first
};

std::optional<UnionView::Found> UnionView::find(const RelPath& path) const {
  for (const auto& layer : layers_) {
    if (auto entry = layer->lookup(path)) {
      if (entry->is_whiteout()) return std::nullopt;
      entry->hides = Hides::Nothing;
      return Found(layer.get(), std::move(*entry));
    }
    if (layer->hides_lower(path)) return std::nullopt;
  }
  if (!path.is_root()) return std::nullopt;
  Entry empty_root;
  empty_root.type = FileType::Directory;
  empty_root.mode = 0755;
  return Found(nullptr, std::move(empty_root));
}

std::vector<std::string> UnionView::list(const RelPath& path) const {
  std::map<std::string, bool> names;  // the topmost word on each name: is it seen?
  bool is_directory = layers_.empty() && path.is_root();
  for (const auto& layer : layers_) {
    const auto entry = layer->lookup(path);
    if (entry && entry->is_directory()) {
      is_directory = true;
      for (std::string& name : layer->list(path)) {
        if (names.contains(name)) continue;
        const auto child = layer->lookup(path / name);
        names.emplace(std::move(name), child && !child->is_whiteout());
      }
    }
    if (layer->hides_lower(path)) break;
  }
  if (!is_directory) {
    fail(Errc::NotFound, "listing {}: it is not a directory", quoted(path.absolute()));
  }
  std::vector<std::string> seen;
  for (auto& [name, is_seen] : names) {
    if (is_seen) seen.push_back(name);
  }
  return seen;
}

}  // namespace

std::shared_ptr<const LayerTree> make_union_view(
    std::vector<std::shared_ptr<const LayerTree>> base_to_top) {
  return std::make_shared<UnionView>(std::move(base_to_top));
}

}  // namespace layerkit
