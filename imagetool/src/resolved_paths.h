#pragma once

#include <optional>
#include <utility>

#include "layerkit/base/rel_path.h"
#include "layerkit/imagetool/tree_path.h"

namespace layerkit {

/// Where the paths of a tar lead to in a tree: symlinks on the way are followed, one at the end is
/// not. Remembers the last directory, as the next entry is often in it. Not thread-safe.
class ResolvedPaths {
 public:
  /// `tree` must outlive it.
  explicit ResolvedPaths(const LayerTree& tree) : tree_(tree) {}

  /// The path itself where there is no such directory.
  RelPath resolve(const RelPath& path) {
    if (path.is_root()) return path;
    return directory(path.parent()) / path.name();
  }
  /// The directory that `path` leads to; the path itself where there is none.
  const RelPath& directory(const RelPath& path) {
    if (!known_ || known_->first != path) {
      const auto found = resolve_path(tree_, path.str(), LastLink::Follow);
      known_.emplace(path, found && found->is_directory() ? found->path : path);
    }
    return known_->second;
  }

 private:
  const LayerTree& tree_;
  std::optional<std::pair<RelPath, RelPath>> known_;
};

}  // namespace layerkit
