#pragma once

#include <string>
#include <vector>

namespace layerkit::testing {

/// The documents in a directory of testdata/ ("config", "process"), by name.
std::vector<std::string> seed_documents(const std::string& kind);

}  // namespace layerkit::testing
