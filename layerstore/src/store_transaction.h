#pragma once

#include <memory>

#include "layerkit/layerstore/store.h"
#include "store_dirs.h"

namespace layerkit {

std::unique_ptr<LayerTransaction> make_store_transaction(std::shared_ptr<const StoreDirs> dirs,
                                                         const TarLimits& limits);

}  // namespace layerkit
