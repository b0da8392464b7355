#pragma once

#include <cstdint>

#include "layerkit/base/fd.h"
#include "layerkit/runner/container_spec.h"

namespace layerkit::runner {

// Mounts prepared by the parent: detached, private, with their attributes set before anybody in
// the container can reach them.

/// A detached copy of the tree at `mount`'s source with its attributes and `more_attributes`.
Fd clone_bind_source(const ContainerMount& mount, std::uint64_t more_attributes);
/// A detached copy of one directory of the host with `attributes`.
Fd clone_directory(int directory, std::uint64_t attributes);
/// A detached copy of the host's device node of that path; checked to be that device.
Fd clone_device(const ContainerDevice& device);
/// Cuts the container's root off from mount events of the host and applies `attributes`.
void prepare_rootfs(int rootfs, std::uint64_t attributes);

}  // namespace layerkit::runner
