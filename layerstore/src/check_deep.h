#pragma once

#include <vector>

#include "layerkit/base/context.h"
#include "layerkit/layerstore/store_check.h"
#include "store_dirs.h"

namespace layerkit {

/// See StoreInspection::deep. Layers whose records cannot be read are passed over: the quick look
/// finds those.
std::vector<Finding> check_deep(const StoreDirs& dirs, const Context& context);

}  // namespace layerkit
