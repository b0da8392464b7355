#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "layerkit/base/rel_path.h"

namespace layerkit {

/// What overlayfs notes on an object of an upper directory when more of it is in the lower layers
/// (kernel Documentation/filesystems/overlayfs.rst: redirect_dir, metacopy, index).
struct OverlayNotes {
  std::optional<std::string> redirect;  ///< "/a/b" from the root, "b" beside the lower parent
  bool metacopy = false;                ///< contents are those of the lower file
  std::optional<std::string> nlink;     ///< "U+1": names beyond those of the upper file
};

/// The lower path that a redirect means; `parent` is the lower directory that the object's own
/// parent stands for, nullopt when there is none. Throws Error{Invalid} for what the kernel never
/// writes: empty names, "." and "..", a path that is neither absolute nor one name.
RelPath redirect_target(std::string_view redirect, const std::optional<RelPath>& parent);

/// How many names a file has in a mount with index=on; nullopt when the note does not tell.
std::optional<std::uint64_t> noted_link_count(const OverlayNotes& notes, std::uint64_t upper_links);

}  // namespace layerkit
