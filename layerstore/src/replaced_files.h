#pragma once

#include <cstdint>

#include "layerkit/base/fd.h"
#include "layerkit/base/file.h"
#include "layerkit/base/root_dir.h"
#include "recipe_writer.h"

namespace layerkit {

/// Keeps the contents that a later entry of the same layer replaces: hard links in `replaced/`,
/// named 0, 1, 2, … and told to the recipe.
class ReplacedFiles {
 public:
  /// `layer_fd`, `diff` and `recipe` must outlive it.
  ReplacedFiles(int layer_fd, const RootDir& diff, RecipeWriter& recipe)
      : layer_(layer_fd), diff_(diff), recipe_(recipe) {}

  /// Keeps the file at `path`, or all files below it.
  void keep(const RelPath& path);
  std::uint64_t count() const noexcept { return count_; }

 private:
  void keep_file(int dir, const RelPath& path, const FileStat& stat);

  int layer_;
  const RootDir& diff_;
  RecipeWriter& recipe_;
  Fd directory_;  ///< `replaced`, made when the first file comes
  std::uint64_t count_ = 0;
};

}  // namespace layerkit
