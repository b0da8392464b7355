#pragma once

#include <memory>

#include "layerkit/layerstore/store.h"
#include "store_dirs.h"

namespace layerkit {

/// What becomes of a layer that is in the store already when it is added again.
enum class ExistingLayers {
  Keep,     ///< it stays, the second copy is dropped
  Replace,  ///< it is removed when the new one is whole and durable
};

std::unique_ptr<LayerTransaction> make_store_transaction(
    std::shared_ptr<const StoreDirs> dirs,
    const StoreOptions& options,
    ExistingLayers existing = ExistingLayers::Keep);

}  // namespace layerkit
