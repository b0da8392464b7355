#pragma once

#include <string>
#include <vector>

#include "layerkit/unionmount/fuse_union.h"

namespace layerkit::cli {

/// A union with AUFS semantics, whoever serves it.
struct UnionFacts {
  std::string id;    ///< "si"
  std::string type;  ///< "fuse" or "aufs"
  std::vector<std::string> mount_points;
  std::vector<BranchState> branches;
  std::string settings;
  int pid = 0;  ///< of the server; 0: the kernel
};

/// Those that are mounted, by FUSE and by the kernel's AUFS.
std::vector<UnionFacts> all_unions();
/// Throws Error{NotFound} when no union is mounted there.
UnionFacts union_at(const std::string& mount_point);

}  // namespace layerkit::cli
