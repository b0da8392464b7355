#pragma once

#include <optional>
#include <string>

#include "diff_object.h"

namespace layerkit {

// The objects of an overlay diff directory: see diff_object.h for what the functions do.

std::optional<DiffObject> read_overlay_object(int dir_fd,
                                              const std::string& name,
                                              const RelPath& path,
                                              OverlayXattrs space,
                                              OverlayNotes* notes);
bool is_overlay_whiteout_at(int dir_fd, const std::string& name, OverlayXattrs space);

}  // namespace layerkit
