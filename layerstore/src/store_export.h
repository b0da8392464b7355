#pragma once

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/context.h"
#include "store_dirs.h"

namespace layerkit {

/// See Store::export_layer.
void export_stored_layer(const StoreDirs& dirs,
                         const ChainId& chain,
                         ByteSink& tar,
                         const Context& context);

}  // namespace layerkit
