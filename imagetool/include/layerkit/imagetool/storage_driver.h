#pragma once

#include <optional>
#include <string>

#include "layerkit/layerstore/store.h"

namespace layerkit {

/// Tries in an empty directory whether the store's overlay2 would work there (see OverlayProbe):
/// whiteouts, trusted xattrs, types in listings, and a mount that honours them.
std::optional<std::string> find_overlay_problem(int scratch_fd);

/// Throws Error{Unsupported} that says so when nothing here can mount the layers of the store.
void require_mountable(const Store& layers);

}  // namespace layerkit
