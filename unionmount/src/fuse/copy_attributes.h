#pragma once

#include <sys/stat.h>

#include "live_branch.h"

namespace layerkit {

struct CopyAttributesOptions {
  bool owners = true;  ///< false: the copy stays the server's
  OverlayXattrs private_xattrs = OverlayXattrs::Trusted;
};

/// Gives `to` (open, or O_PATH) owner, xattrs, mode and times of `from`, which lies on `branch`:
/// its attributes say which xattrs may be lost. Overlay's own xattrs stay behind.
void copy_attributes(int from,
                     const struct stat& stat,
                     const LiveBranch& branch,
                     int to,
                     const CopyAttributesOptions& options);

/// Copies `size` bytes from the start; shares blocks where the file system can, keeps holes.
void copy_data(int from, int to, off_t size);

}  // namespace layerkit
