#include "layerkit/layerstore/layer_tree.h"

#include <utility>

namespace layerkit {
namespace {

/// A directory by its path, for trees that know nothing better.
class PathDir final : public LayerDir {
 public:
  PathDir(const LayerTree& tree, RelPath path) : tree_(tree), path_(std::move(path)) {}

  std::optional<LayerChild> find(std::string_view name) const override {
    auto entry = tree_.lookup(path_ / name);
    if (!entry) return std::nullopt;
    LayerChild child{std::move(*entry), nullptr};
    if (child.entry.is_directory()) {
      child.directory = std::make_shared<PathDir>(tree_, child.entry.path);
    }
    return child;
  }

  std::vector<LayerName> list() const override {
    std::vector<LayerName> names;
    for (std::string& name : tree_.list(path_)) {
      const auto entry = tree_.lookup(path_ / name);
      names.push_back({std::move(name), !entry || entry->is_whiteout()});
    }
    return names;
  }

 private:
  const LayerTree& tree_;
  RelPath path_;
};

}  // namespace

bool LayerTree::hides_lower(const RelPath& path) const {
  RelPath at;
  const std::vector<std::string_view> names = path.components();
  for (auto name = names.begin();; ++name) {
    const auto entry = lookup(at);
    if (!entry) return false;
    if (!entry->is_directory() || entry->hides == Hides::Below) return true;
    if (name == names.end()) return false;
    at = at / *name;
  }
}

std::shared_ptr<const LayerDir> LayerTree::root_dir() const {
  return std::make_shared<PathDir>(*this, RelPath());
}

}  // namespace layerkit
