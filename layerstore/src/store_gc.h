#pragma once

#include <vector>

#include "layerkit/layerstore/store.h"
#include "store_dirs.h"

namespace layerkit {

/// See Store::remove_unreferenced.
std::vector<LayerInfo> collect_garbage(const StoreDirs& dirs, const std::vector<ChainId>& keep);

}  // namespace layerkit
