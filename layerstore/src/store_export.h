#pragma once

#include <memory>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/context.h"
#include "store_dirs.h"

namespace layerkit {

/// See Store::open_layer.
std::unique_ptr<ByteSource> open_stored_layer(const StoreDirs& dirs, const ChainId& chain);
/// See Store::export_layer.
void export_stored_layer(const StoreDirs& dirs,
                         const ChainId& chain,
                         ByteSink& tar,
                         const Context& context);

}  // namespace layerkit
