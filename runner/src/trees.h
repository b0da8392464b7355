#pragma once

#include <cstdint>

#include "layerkit/base/fd.h"
#include "layerkit/runner/container_spec.h"

namespace layerkit::runner {

// Mounts prepared by the parent: detached, private, with their attributes set before anybody in
// the container can reach them.

/// A detached copy of the tree at `mount`'s source with its attributes and `more_attributes`;
/// `owners` (may be unset): the user namespace by which owners are mapped.
Fd clone_bind_source(const ContainerMount& mount, const Fd& owners, std::uint64_t more_attributes);
/// A detached copy of one directory of the host with `attributes`.
Fd clone_directory(int directory, std::uint64_t attributes);
/// Nodes on a file system of their own: where mounts of the container are nodev, they can be shown
/// in it one by one. Not every caller and kernel (Linux 6.15) can.
class DeviceNodes {
 public:
  /// A detached mount of a new node; unset when that cannot be.
  Fd make(const ContainerDevice& device, std::uint32_t uid, std::uint32_t gid);

 private:
  Fd directory_;
  bool failed_ = false;
  unsigned count_ = 0;
};

/// A detached copy of the host's device node of that path; checked to be that device.
Fd clone_device(const ContainerDevice& device);
/// Cuts the container's root off from mount events of the host, or makes it take but not give them
/// (MS_SLAVE), and applies `attributes`.
void prepare_rootfs(int rootfs, std::uint64_t attributes, unsigned long propagation);

}  // namespace layerkit::runner
