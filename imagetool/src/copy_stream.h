#pragma once

#include <cstdint>
#include <string>

#include "layerkit/base/context.h"
#include "layerkit/base/root_dir.h"
#include "layerkit/layerstore/layer_stream.h"

namespace layerkit {

// What all copies from and to the host share.

RootDir root_of_host();
/// By its text, as docker does it; a last "/" or "/." stays.
std::string absolute_host_path(const std::string& path);
/// Moves all entries; the bytes of files that were moved.
std::uint64_t move_entries(LayerReader& from, LayerWriter& to, const Context& context);

}  // namespace layerkit
