#pragma once

#include <string>

namespace layerkit {

/// What this runtime knows: features.md of the OCI runtime spec, JSON.
std::string runtime_features();

/// A config.json to start from, as runc's `spec` writes it: a shell with a terminal. `rootless`:
/// for the calling user, with a user namespace and without limits.
std::string example_config(bool rootless);

}  // namespace layerkit
