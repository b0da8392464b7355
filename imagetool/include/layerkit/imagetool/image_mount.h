#pragma once

#include <memory>

#include "layerkit/base/context.h"
#include "layerkit/imagetool/image_source.h"
#include "layerkit/unionmount/detached_mount.h"

namespace layerkit {

/// Whether layers are known to have their digests before they are shown.
enum class LayerCheck {
  Full,  ///< each is read once, on as many processors as there are
  None,  ///< those that need not be read are not
};

/// Mounts an image of an archive where it lies, without unpacking: of each layer an EROFS index is
/// written (docs/formats/erofs-index.md), the kernel mounts it with the archive as its data, and
/// overlayfs lays the layers over each other. Read-only, nosuid, nodev. Layers that are compressed
/// are decompressed first. Indexes and those are nameless files in $TMPDIR, /var/tmp by default,
/// and go with the mount. The archive must not be changed while it is mounted: the mount would show
/// that.
///
/// Memory: as for reading the archive (docs/IMAGES.md). Throws Error{Unsupported} with the reason
/// where the kernel cannot mount so, and for an image of the store; Error{Integrity} for a layer
/// without its digest.
DetachedMount mount_in_place(ImageSource& source, LayerCheck check, const Context& context);

}  // namespace layerkit
