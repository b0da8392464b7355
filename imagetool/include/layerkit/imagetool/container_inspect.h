#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "layerkit/imagetool/container_store.h"

namespace layerkit {

/// The object that `docker container inspect` gives, with its keys in its order.
nlohmann::ordered_json inspect_container_json(ContainerStore& store, const ContainerInfo& info);

/// "Up 3 seconds", "Exited (0) 2 minutes ago", "Created": the STATUS of `docker ps`.
std::string describe_status(const ContainerState& state);

}  // namespace layerkit
