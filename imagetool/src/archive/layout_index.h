#pragma once

#include <nlohmann/json.hpp>

#include "archive/archive_output.h"

namespace layerkit {

/// Writes the index.json of a layout: these entries (descriptors of manifests and indexes), and
/// those of the layout that is added to, but for the ones that the new ones replace.
///
/// An entry replaces one of the same name: io.containerd.image.name where both have it, else
/// org.opencontainers.image.ref.name; and one without any name that has its digest. One without any
/// name is not added where its digest is. The others stay as they are, in their order.
void write_layout_index(ArchiveOutput& output, const nlohmann::ordered_json& entries);

}  // namespace layerkit
