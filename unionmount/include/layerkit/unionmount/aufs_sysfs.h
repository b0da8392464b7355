#pragma once

#include <string>
#include <vector>

#include "layerkit/unionmount/fuse_union.h"

namespace layerkit {

/// The branches of a union of the kernel's AUFS, top first, as /sys/fs/aufs/si_ID/br* shows them.
/// `id` is what stands behind "si=" in /proc/mounts; `sysfs` is for tests.
/// Throws Error{NotFound} when there is no such union, Error{Unsupported} when AUFS shows no
/// branches (its module parameter brs is 0), Error{Busy} while they keep changing.
std::vector<BranchState> read_aufs_branches(const std::string& id,
                                            const std::string& sysfs = "/sys/fs/aufs");

}  // namespace layerkit
