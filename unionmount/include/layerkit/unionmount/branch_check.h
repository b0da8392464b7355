#pragma once

#include <string>
#include <vector>

#include "layerkit/base/context.h"
#include "layerkit/base/fd.h"

namespace layerkit {

/// Something in a branch of AUFS's format that no union leaves there when it ends well.
struct BranchFinding {
  /// "both": a name and its whiteout in one directory; "bad-whiteout": a whiteout that hides
  /// nothing or is no plain file; "leftover": an object on its way in or out when a union was
  /// killed; "lost-link": a pseudo-link that no name leads to; "stray": a private name where no
  /// union has one.
  std::string kind;
  std::string path;    ///< in the branch, without a leading slash; any bytes
  std::string detail;  ///< what is wrong with it, one line
  bool can_mend = false;
};

enum class BranchCheckMode {
  Look,
  Repair,  ///< Error{Busy} while a union writes to the branch
};

struct BranchCheckReport {
  std::vector<BranchFinding> findings;  ///< that are there, or are left
  std::vector<BranchFinding> mended;
  /// False while a union writes to the branch: its private directories were not looked at.
  bool is_complete = true;
};

/// Looks through the branch, which need not be part of a mounted union; other file systems that are
/// mounted in it are left out. A repair removes: of a name and its whiteout the whiteout, so that
/// nothing is lost; leftovers; pseudo-links without names. `context` can interrupt.
BranchCheckReport check_branch(const Fd& directory, BranchCheckMode mode, const Context& context);

}  // namespace layerkit
