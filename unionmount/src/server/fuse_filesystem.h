#pragma once

#include <cstdint>
#include <string>

#include "layerkit/base/fd.h"
#include "layerkit/unionmount/mounter.h"
#include "mount_api.h"

namespace layerkit {

/// /dev/fuse: a connection that is not mounted yet.
Fd open_fuse_device();

/// The file system that the owner of `device` is to serve, as a detached mount.
Fd make_fuse_filesystem(int device,
                        const FuseMounterOptions& options,
                        const MountAttributes& attributes);

/// Has fusermount3(1) attach a file system at `mount_point`; the connection to serve it on.
Fd mount_by_fusermount(const std::string& mount_point,
                       const FuseMounterOptions& options,
                       const MountAttributes& attributes);

/// st_dev of a mounted file system, without asking its server. `path` "" means `fd` itself.
std::uint64_t device_of_mount(int fd, const std::string& path);

}  // namespace layerkit
