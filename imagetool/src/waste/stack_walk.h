#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "layerkit/base/context.h"
#include "layerkit/base/entry.h"
#include "layerkit/imagetool/image_waste.h"
#include "layerkit/layerstore/layer_tree.h"

namespace layerkit {

/// What one layer has at a path.
struct StackedVersion {
  std::size_t layer;
  Entry entry;
  std::optional<Hiding> hiding;  ///< the first layer that hides it; unset: it is seen
};

/// Base first; never empty, without whiteouts.
using OnStackedPath =
    std::function<void(const RelPath& path, const std::vector<StackedVersion>& versions)>;

/// Goes through all layers of a stack at once and calls `visit` for each path but the root, sorted,
/// parents first. Memory: the names of the directories on the way.
void walk_stack(const std::vector<std::shared_ptr<const LayerTree>>& base_to_top,
                const OnStackedPath& visit,
                const Context& context);

}  // namespace layerkit
