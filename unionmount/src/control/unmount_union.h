#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "layerkit/unionmount/detached_mount.h"

namespace layerkit {

/// Unmounts the FUSE union with this device number wherever this process sees it mounted; by
/// fusermount3 where that needs privilege. How many mounts there were.
std::size_t unmount_union(std::uint64_t device, UnmountMode mode);

/// As unmount_union, lazily and only while nobody serves the union `id` any more: device numbers
/// are used again. What cannot be unmounted stays.
void unmount_dead_union(std::uint64_t device, const std::string& id) noexcept;

/// Ends the connection of the union, so that everybody who waits for its server gets an error.
void abort_union(std::uint64_t device) noexcept;

}  // namespace layerkit
