#pragma once

#include <nlohmann/json.hpp>
#include <optional>

#include "layerkit/imagetool/image.h"

namespace layerkit {

struct Image::Step {
  nlohmann::json record;
  std::optional<DiffId> layer;
};

}  // namespace layerkit
