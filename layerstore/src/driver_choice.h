#pragma once

#include <optional>

#include "layerkit/layerstore/store_driver.h"
#include "store_dirs.h"

namespace layerkit {

/// The driver of a store that is being made: `wanted`, or what the probe recommends. `staging` is
/// the new store's staging directory.
StoreDriver choose_driver(int staging,
                          const std::optional<StoreDriver>& wanted,
                          const OverlayProbe& probe);

/// See Store::driver_info.
DriverInfo explain_driver(const StoreDirs& dirs, const OverlayProbe& probe);

}  // namespace layerkit
