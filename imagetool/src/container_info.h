#pragma once

#include <string>
#include <string_view>

#include "layerkit/imagetool/container_store.h"

namespace layerkit {

// The bytes of a container's config.json and state.json: docs/formats/store.md, "Containers".

std::string format_container_info(const ContainerInfo& record);
/// Throws Error{Invalid} for anything format_container_info does not write.
ContainerInfo parse_container_info(std::string_view text);

std::string format_container_state(const ContainerState& state);
ContainerState parse_container_state(std::string_view text);

}  // namespace layerkit
