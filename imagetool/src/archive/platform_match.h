#pragma once

#include <optional>

#include "layerkit/imagetool/image.h"

namespace layerkit {

/// How well an image for `offered` serves `wanted`: 0 exactly, larger is worse, nullopt not at all.
/// Within an architecture a lower variant serves a higher one (arm v7 runs v6); an absent variant
/// is the architecture's usual one (arm v7, arm64 v8, amd64 v1). An image that does not say its
/// platform serves any, as the last resort.
std::optional<int> platform_distance(const Platform& wanted, const Platform& offered);

/// The platform of what BuildKit attaches to images as "attestation": unknown/unknown.
bool is_unknown_platform(const Platform& platform) noexcept;

}  // namespace layerkit
