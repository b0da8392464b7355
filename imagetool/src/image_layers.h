#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "layerkit/base/context.h"
#include "layerkit/imagetool/archive.h"
#include "layerkit/imagetool/image_rewrite.h"
#include "layerkit/imagetool/image_source.h"
#include "layerkit/layerstore/layer_tree.h"

namespace layerkit {

// What the operations that make images of others share.

/// The step of each layer.
std::vector<std::size_t> steps_with_layers(const std::vector<ImageStep>& steps);

/// The trees of the layers, whose contents are not to be read. Throws where they cannot be applied
/// one after the other.
std::vector<std::shared_ptr<const LayerTree>> apply_layers(const SaveItem& item,
                                                           const Context& context);

/// Throws Error{Integrity} for layers of [begin, end) that are not what the image's config says.
/// Trees do not tell: they pass over contents.
void verify_layers(ImageSource& source, std::size_t begin, std::size_t end, const Context& context);

}  // namespace layerkit
