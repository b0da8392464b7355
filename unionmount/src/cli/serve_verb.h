#pragma once

#include <string_view>

namespace layerkit::cli {

/// What the program is called with to serve a union; for itself alone.
inline constexpr std::string_view kServeVerb = "serve-union";

}  // namespace layerkit::cli
