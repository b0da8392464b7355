#pragma once

#include <cstddef>
#include <memory>

#include "layerkit/base/context.h"
#include "layerkit/imagetool/container_store.h"
#include "layerkit/imagetool/image_source.h"
#include "layerkit/layerstore/layer_tree.h"

namespace layerkit {

// Trees for compare_trees. Files that come from the same layer on the same layers know each other,
// so that their contents are not read.

/// What a mount of the image shows. The source must outlive it.
std::shared_ptr<const LayerTree> compared_image(ImageSource& source);

/// One layer, with its whiteouts and opaque directories. The source must outlive it.
std::shared_ptr<const LayerTree> compared_layer(ImageSource& source, std::size_t index);

/// What a container would be after `commit`: its image with what it changed. That is read now, into
/// a nameless file in $TMPDIR. Store and context must outlive it.
std::shared_ptr<const LayerTree> compared_container(ContainerStore& store,
                                                    const ContainerInfo& container,
                                                    const Context& context);

/// Whether both are the same file of the same layer: from `open` of such trees, unread.
bool is_same_origin(const ByteSource& one, const ByteSource& other) noexcept;

}  // namespace layerkit
