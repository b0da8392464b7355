#pragma once

#include <string>

#include "cli/mount_request.h"
#include "cli/session.h"
#include "layerkit/base/fd.h"
#include "layerkit/unionmount/mounter.h"
#include "layerkit/unionmount/union_spec.h"

namespace layerkit::cli {

/// The directory to mount on.
struct MountPoint {
  Fd directory;
  std::string path;  ///< absolute, without symlinks
};
MountPoint open_mount_point(const std::string& path);

/// What to mount with.
struct Backend {
  UnionType type = UnionType::Automatic;
  FuseMounterOptions fuse;
};

struct MountedUnion {
  std::string carrier;  ///< "overlay", "aufs", "fuse"
  std::string reason;   ///< why not by the kernel; empty where nothing else came first
  Fd server;            ///< FUSE: readable once the server has ended
};

/// Mounts with the type that was asked for, or with the best that works.
MountedUnion mount_by_best(const Backend& backend, const UnionSpec& spec, const MountPoint& target);

/// Until somebody unmounts it; a signal does.
void stay_until_unmounted(const Session& session,
                          const MountedUnion& mounted,
                          const MountPoint& target);

}  // namespace layerkit::cli
