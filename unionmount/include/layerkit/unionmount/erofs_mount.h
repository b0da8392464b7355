#pragma once

#include "layerkit/unionmount/detached_mount.h"

namespace layerkit {

/// Mounts an EROFS image that lies in a file, with `data`, another file, as its one extra device:
/// read-only, nosuid, nodev, without a loop device. Both files may be nameless, and must not be
/// changed while it is mounted; the descriptors may be closed. Throws Error{Unsupported} with the
/// reason where the kernel cannot (before Linux 6.12, without CAP_SYS_ADMIN of the initial user
/// namespace, for an image on a tmpfs), Error{Io} for an image that it refuses. Thread-safe.
DetachedMount mount_erofs(int image, int data);

}  // namespace layerkit
