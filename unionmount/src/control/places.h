#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "layerkit/base/fd.h"

namespace layerkit {

// Where unions have their control directories, and what is in one.

inline constexpr std::string_view kRootPlace = "/run/aufs";
inline constexpr std::string_view kUnionPrefix = "si_";
inline constexpr std::string_view kControlSocket = "control";

/// The places of this user, the best first. Root: /run/aufs. Others: $XDG_RUNTIME_DIR/aufs,
/// /run/user/UID/aufs and, where there is neither, /tmp/aufs-UID. Root of a user namespace has all.
std::vector<std::string> control_places();

/// Opens the first place that can be made and written to. Throws when none can.
Fd make_control_place();

/// Opens a place of this user or of root for reading; empty when it does not exist, or belongs to
/// somebody else, who could make anything up.
Fd open_control_place(const std::string& path);

}  // namespace layerkit
