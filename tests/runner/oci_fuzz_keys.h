#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string_view>

namespace layerkit::testing {

/// How many members of the document are not in the OCI runtime spec, those of such members not
/// counted. `root` is what the document is: "" config.json, "process" process.json.
std::size_t unknown_keys(const nlohmann::json& document, std::string_view root);

}  // namespace layerkit::testing
