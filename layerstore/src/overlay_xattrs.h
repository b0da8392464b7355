#pragma once

#include <string>
#include <string_view>

#include "layerkit/base/whiteout.h"

namespace layerkit {

// An overlay mount keeps its private xattrs, and escapes, in one of the two spaces only; names in
// the other are plain data there (kernel: fs/overlayfs/xattrs.c, checked with real mounts).

/// The name on disk of an xattr that a mount shall show as `name`.
inline std::string store_overlay_xattr(OverlayXattrs space, std::string_view name) {
  if (!name.starts_with(overlay_xattr_prefix(space))) return std::string(name);
  return escape_overlay_xattr(name);
}

/// What an xattr on disk means.
inline OverlayXattr read_overlay_xattr(OverlayXattrs space, std::string_view stored_name) {
  if (!stored_name.starts_with(overlay_xattr_prefix(space))) {
    return {false, std::string(stored_name)};
  }
  return decode_overlay_xattr(stored_name);
}

/// "trusted.overlay." + suffix, or the other space's.
inline std::string private_overlay_xattr(OverlayXattrs space, std::string_view suffix) {
  return std::string(overlay_xattr_prefix(space)).append(suffix);
}

}  // namespace layerkit
