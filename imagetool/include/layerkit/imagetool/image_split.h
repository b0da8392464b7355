#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "layerkit/base/context.h"
#include "layerkit/base/rel_path.h"
#include "layerkit/imagetool/archive.h"
#include "layerkit/imagetool/image_source.h"

namespace layerkit {

/// Cuts a layer into several, which together show what it showed. What it has at or below the paths
/// of a group, whiteouts and opaque directories too, goes into a layer of its own with the
/// directories on the way there; what is left stays below. Groups come in order, the first lowest.
/// A file with several names goes with all of them to the highest layer that gets one of them: a
/// layer's links into layers below it are not understood by all. Paths are literal.
///
/// The layer's record of history stays with what is left; each new layer gets another one that says
/// where it came from. Throws Error{NotFound} for a path at which the layer has nothing,
/// Error{Invalid} when a path is the root, or stands in another group at or below one of its paths.
/// REQUIRES: no group is empty.
SaveItem split_layer(const std::shared_ptr<ImageSource>& source,
                     std::size_t index,
                     const std::vector<std::vector<RelPath>>& groups,
                     const Context& context);

}  // namespace layerkit
