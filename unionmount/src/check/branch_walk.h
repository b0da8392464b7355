#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "layerkit/base/fd.h"

namespace layerkit {

/// Goes through a tree, a directory before what is in it, any depth with a few descriptors. Follows
/// no symlinks and enters no other file systems. The tree may change meanwhile: what has gone is
/// passed over.
class BranchWalk final {
 public:
  /// Called with a readable directory, its path in the tree ("" or "a/b/") and its sorted names;
  /// gives those of the names to go into (others than directories are passed over).
  using Visit = std::function<std::vector<std::string>(
      int directory, const std::string& path, const std::vector<std::string>& names)>;

  BranchWalk(const Fd& root, Visit visit);
  void run();

 private:
  struct Level {
    Fd directory;  ///< empty while it is too far above
    std::uint64_t dev = 0;
    std::uint64_t ino = 0;
    std::size_t path_size = 0;           ///< of its path in `path_`
    std::vector<std::string> remaining;  ///< to go into, the next last
  };

  void enter(Fd directory);
  void enter_next();
  void leave();

  Visit visit_;
  std::string path_;
  std::vector<Level> levels_;
  std::uint64_t dev_ = 0;
};

}  // namespace layerkit
