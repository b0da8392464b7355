#pragma once

#include <optional>
#include <vector>

#include "archive/archive_output.h"
#include "layerkit/imagetool/archive.h"

namespace layerkit {

/// How layers are written.
struct LayerPacking {
  std::optional<Compression> compression;  ///< unset: kept where it can be, else the format's own
  int level = 0;
};

/// As skopeo and podman write it: `manifest.json`, `repositories` and the configs
/// (`<hex>.json`) first, then each layer once as `<diff ID hex>.tar`.
/// REQUIRES: all items have their layers.
void write_docker_archive(const std::vector<SaveItem>& items,
                          const LayerPacking& layers,
                          const MakeTemporaryFile& make_temporary_file,
                          ArchiveOutput& output,
                          const Context& context);

/// An OCI image layout: blobs first, `index.json` last. One index entry for each name.
/// REQUIRES: all items have their layers.
void write_oci_layout(const std::vector<SaveItem>& items,
                      const LayerPacking& layers,
                      const MakeTemporaryFile& make_temporary_file,
                      ArchiveOutput& output,
                      const Context& context);

}  // namespace layerkit
