#pragma once

#include <vector>

#include "archive/archive_output.h"
#include "layerkit/imagetool/archive.h"

namespace layerkit {

/// As skopeo and podman write it: `manifest.json`, `repositories` and the configs
/// (`<hex>.json`) first, then each layer once as `<diff ID hex>.tar`.
/// REQUIRES: all items have their layers.
void write_docker_archive(const std::vector<SaveItem>& items,
                          Compression layers,
                          const MakeTemporaryFile& make_temporary_file,
                          ArchiveOutput& output,
                          const Context& context);

/// An OCI image layout: blobs first, `index.json` last. One index entry for each name.
/// REQUIRES: all items have their layers.
void write_oci_layout(const std::vector<SaveItem>& items,
                      Compression layers,
                      const MakeTemporaryFile& make_temporary_file,
                      ArchiveOutput& output,
                      const Context& context);

}  // namespace layerkit
