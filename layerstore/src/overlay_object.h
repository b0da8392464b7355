#pragma once

#include <memory>
#include <optional>
#include <string>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/entry.h"
#include "layerkit/base/file.h"
#include "layerkit/base/root_dir.h"
#include "layerkit/base/whiteout.h"

namespace layerkit {

/// One object of an overlay diff directory: what it says as an entry (a whiteout; an opaque
/// directory has Hides::Below), and what the file system says about it.
struct OverlayObject {
  Entry entry;
  FileStat stat;
};

/// Reads `name` in the open directory; `path` goes into the entry. nullopt when absent.
/// Throws Error{Unsupported} for redirect and metacopy: the rest of the object is elsewhere.
std::optional<OverlayObject> read_overlay_object(int dir_fd,
                                                 const std::string& name,
                                                 const RelPath& path,
                                                 OverlayXattrs space);
/// Whether `name` says that the lower layers' object of that name is hidden; costs less than
/// reading the object.
bool is_whiteout_at(int dir_fd, const std::string& name, OverlayXattrs space);
/// The diff directory itself. The kernel ignores an opaque root, and so does this.
OverlayObject read_overlay_root(int root_fd, OverlayXattrs space);

/// The directory at the literal `path`; nullopt when there is none: nothing at all, or a symlink
/// or file at it or on the way.
std::optional<Fd> open_literal_dir(const RootDir& root, const RelPath& path, int flags);

/// Contents of the regular file `name`; a file that was swapped for something else is never
/// opened for real.
std::unique_ptr<ByteSource> open_contents(int dir_fd, const std::string& name, const RelPath& path);

}  // namespace layerkit
