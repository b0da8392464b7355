#pragma once

#include <cstdint>
#include <string>

#include "layerkit/base/fd.h"
#include "layerkit/unionmount/mounter.h"
#include "layerkit/unionmount/union_spec.h"

namespace layerkit {

/// A FUSE union that is served.
struct FuseMount {
  Fd mount;        ///< detached; none when fusermount3 attached it
  Fd server;       ///< readable once the server and its supervisor have done all
  std::string id;  ///< "si": names the control directory (union_client.h)
};

/// Makes the file system, detached, and starts its server. Errors: make_fuse_mounter.
FuseMount start_fuse_union(const UnionSpec& spec, const FuseMounterOptions& options);

/// As start_fuse_union for a user who may not mount: fusermount3(1), which is privileged, attaches
/// the file system at `mount_point`. Nothing stays mounted when it throws.
FuseMount start_fuse_union_at(const std::string& mount_point,
                              const UnionSpec& spec,
                              const FuseMounterOptions& options);

/// Whether this process may make FUSE mounts without help. Mounts nothing.
bool may_mount_fuse();

/// As unmount() of detached_mount.h; by fusermount3(1) where that needs privilege.
bool unmount_with_help(const std::string& path, UnmountMode mode);

/// Has fusermount3(1) take away what is mounted at `path`. For a user who may not unmount(2).
/// Throws Error{Busy} while it is in use, unless lazily.
void unmount_by_fusermount(const std::string& path, UnmountMode mode);

}  // namespace layerkit
