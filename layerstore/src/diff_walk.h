#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "layerkit/base/fd.h"
#include "layerkit/base/rel_path.h"
#include "layerkit/layerstore/diff_format.h"
#include "layerkit/layerstore/name_sorter.h"
#include "spill_stack.h"

namespace layerkit {

/// A directory on the way through a tree.
struct WalkedDir {
  std::uint32_t number = 0;  ///< the caller's own name for it
  RelPath path;
};

/// Goes through the directories of a tree in which nobody changes anything, depth first, parents
/// before children. The caller says which children to visit. One directory is open at a time and
/// the names that wait are in a file, so depth and number of directories cost nothing. Not
/// thread-safe.
class DiffWalk {
 public:
  /// `scratch_dir` is where nameless files are made; it must outlive the walk.
  DiffWalk(Fd root, int scratch_dir);

  /// The current directory, readable.
  int fd() const noexcept { return current_.get(); }
  const WalkedDir& dir() const noexcept { return dir_; }
  /// The names in it as the layer means them: a whiteout has the name of what it hides.
  void add_names(NameSorter& names, DiffFormat format) const;
  /// The child directory of the current one will be visited, under this number.
  void visit_later(std::string_view name, std::uint32_t number);
  /// Goes to the next directory; false when there is none.
  bool next();

 private:
  struct Level {
    std::uint64_t dev;
    std::uint64_t ino;
  };

  void ascend();
  void descend(const std::string& name);

  Fd current_;
  SpillStack waiting_;
  std::vector<Level> levels_;  ///< down to the current directory
  WalkedDir dir_;
};

}  // namespace layerkit
