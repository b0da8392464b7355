#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "layerkit/base/context.h"
#include "layerkit/imagetool/container_changes.h"
#include "layerkit/layerstore/layer_tree.h"

namespace layerkit {

/// How one path of a tree differs from another tree's.
struct TreeChange {
  ChangeKind kind = ChangeKind::Modified;
  RelPath path;
  std::optional<Entry> before;  ///< set unless it was added
  std::optional<Entry> after;   ///< set unless it was deleted
  /// Of Modified: the words of PathVersion::changes. A directory's time does not count.
  std::vector<std::string> changes;
};

/// Whether two regular files have the same bytes.
bool have_same_contents(const LayerTree& one,
                        const RelPath& path,
                        const LayerTree& other,
                        const RelPath& other_path,
                        const Context& context);

enum class FileContents { Compare, Ignore };

/// Calls `report` for each path at which `after` differs from `before`, sorted, parents before
/// children. Trees of single layers may be compared, too: whiteouts and opaque directories count.
/// Of a deleted directory only itself is told, of an added one all below it. Files that differ in
/// nothing else are compared byte by byte, unless `contents` says not to. Memory: the names of the
/// directories on the way.
void compare_trees(const LayerTree& before,
                   const LayerTree& after,
                   const std::function<void(const TreeChange& change)>& report,
                   const Context& context,
                   FileContents contents = FileContents::Compare);

}  // namespace layerkit
