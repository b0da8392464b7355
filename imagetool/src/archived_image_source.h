#pragma once

#include <memory>

#include "layerkit/imagetool/image_source.h"

namespace layerkit {

/// One of the images of `archive`. `context` must outlive it.
std::unique_ptr<ImageSource> make_archived_image_source(std::shared_ptr<ArchiveReader> archive,
                                                        ArchivedImage image,
                                                        const LoadLimits& limits,
                                                        const Context& context);

}  // namespace layerkit
