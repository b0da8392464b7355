#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/context.h"
#include "layerkit/imagetool/container_copy.h"
#include "layerkit/layerstore/layer_tree.h"

namespace layerkit {

// As container_copy.h, from what an image shows: nothing is mounted or unpacked elsewhere.

/// Devices are left out with a warning.
std::uint64_t copy_from_tree(const std::shared_ptr<const LayerTree>& tree,
                             const std::string& source,
                             const std::string& host_target,
                             const CopyOptions& options,
                             const Context& context);
/// As a tar whose names start with that of the source, with the owners there are.
std::uint64_t export_from_tree(const std::shared_ptr<const LayerTree>& tree,
                               const std::string& source,
                               ByteSink& tar,
                               const CopyOptions& options,
                               const Context& context);

}  // namespace layerkit
