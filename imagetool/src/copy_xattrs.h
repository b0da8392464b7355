#pragma once

#include <string_view>

#include "layerkit/base/entry.h"

namespace layerkit {

// Extended attributes of regular files and directories that are copied between a container and the
// host. What the other side could do with them decides: `user.` goes along; POSIX ACLs and file
// capabilities, which give rights, only with the owners. Never: `trusted.` and `user.overlay.`,
// which make a union see things that are not there, and the rest of `security.` and `system.`:
// labels and signatures belong to the system that gave them.

bool is_copied_xattr(std::string_view name, bool with_owners) noexcept;

/// Those of the object that `fd` holds; O_PATH will do.
Xattrs read_copied_xattrs(int fd, bool with_owners);

/// Gives the object those of `xattrs` that are copied. False when its file system has no place for
/// one, or the caller no right to set it; the others are set.
bool set_copied_xattrs(int fd, const Xattrs& xattrs, bool with_owners);

}  // namespace layerkit
