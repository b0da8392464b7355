#pragma once

#include <memory>
#include <string>

#include "layerkit/layerstore/store.h"
#include "store_dirs.h"

namespace layerkit {

/// The directories of the store in `root`, made when there is none yet: see open_store.
std::shared_ptr<const StoreDirs> open_store_dirs(const std::string& root,
                                                 const StoreOptions& options);

}  // namespace layerkit
