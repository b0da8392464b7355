#pragma once

#include <optional>
#include <string>

namespace layerkit {

/// Tries in an empty directory whether the store's overlay2 would work there (see OverlayProbe):
/// whiteouts, trusted xattrs, types in listings, and a mount that honours them.
std::optional<std::string> find_overlay_problem(int scratch_fd);

}  // namespace layerkit
