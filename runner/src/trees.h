#pragma once

#include <cstdint>

#include "layerkit/base/fd.h"
#include "layerkit/runner/container_spec.h"

namespace layerkit::runner {

// Mounts prepared by the parent: detached, private, with their attributes set before anybody in
// the container can reach them.

/// A detached recursive copy of the tree at `source` with `mount`'s flags (read-only ones too, on
/// everything below).
Fd clone_bind_source(const ContainerMount& mount, std::uint64_t more_attributes);
/// A detached copy of one directory of the host with `attributes`.
Fd clone_directory(int directory, std::uint64_t attributes);
/// A detached copy of the host's device node; checked to be that device.
Fd clone_device(const char* path, unsigned major, unsigned minor);
/// Cuts the container's root off from mount events of the host and applies `attributes`.
void prepare_rootfs(int rootfs, std::uint64_t attributes);

/// MOUNT_ATTR_* of a mount's flags without the read-only one.
std::uint64_t mount_attributes(const ContainerMount& mount) noexcept;

}  // namespace layerkit::runner
