#include "layerkit/layerstore/layer_tree.h"

namespace layerkit {

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

}  // namespace layerkit
