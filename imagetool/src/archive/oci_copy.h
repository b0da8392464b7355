#pragma once

#include <optional>
#include <string>
#include <vector>

#include "archive/archive_output.h"
#include "archive/blob_container.h"
#include "layerkit/base/context.h"
#include "layerkit/imagetool/archive.h"

namespace layerkit {

/// Copies entries of a layout's index.json with all that they lead to (indexes, manifests of every
/// platform, attestations, artifacts), byte for byte. `wanted`: a name or "@N"; empty: all. `name`:
/// what the one entry is called from now on. Returns the digests of the entries. Throws
/// Error{NotFound} for a blob that the layout lacks, unless it is one that may be absent;
/// Error{Integrity} for one that is not what its descriptor says.
std::vector<BlobId> copy_oci_images(const BlobContainer& container,
                                    const std::string& wanted,
                                    const std::optional<ImageName>& name,
                                    ArchiveOutput& output,
                                    const Context& context,
                                    const LoadLimits& limits);

}  // namespace layerkit
