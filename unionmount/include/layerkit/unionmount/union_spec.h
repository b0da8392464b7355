#pragma once

#include <vector>

#include "layerkit/base/fd.h"

namespace layerkit {

enum class BranchAccess { ReadWrite, ReadOnly };

/// One directory of a union, held open (O_PATH will do).
struct Branch {
  Fd directory;
  BranchAccess access = BranchAccess::ReadOnly;
};

/// A union, whatever mounts it. `branches[0]` is the top.
struct UnionSpec {
  std::vector<Branch> branches;
  Fd work;  ///< overlay with a writable top: an empty directory on the same file system
  bool read_only = false;
  bool no_suid = false;
  bool no_dev = false;
  /// Skips overlay's syncs: the upper is lost when the machine crashes ("volatile").
  bool expendable_upper = false;
};

}  // namespace layerkit
