#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "layerkit/base/context.h"
#include "layerkit/imagetool/image_waste.h"
#include "layerkit/layerstore/layer_tree.h"

namespace layerkit {

struct FoundDuplicates {
  std::uint64_t bytes = 0;             ///< of all files beyond the first with their contents
  std::vector<DuplicateFiles> groups;  ///< the dearest first
};

/// Regular files of a tree with the same contents: files of the same size have their contents
/// hashed. Names of one file, and empty files, are no duplicates. `directory`: what does not fit
/// into memory goes there.
FoundDuplicates find_duplicates(const std::shared_ptr<const LayerTree>& tree,
                                int directory,
                                std::size_t top,
                                const Context& context);

}  // namespace layerkit
