#pragma once

#include <memory>
#include <string>
#include <vector>

#include "layerkit/base/context.h"
#include "layerkit/layerstore/layer_stream.h"
#include "layerkit/layerstore/store.h"

namespace layerkit {

enum class ChangeKind { Modified, Added, Deleted };
/// 'C', 'A', 'D' as `docker diff` writes them.
char change_letter(ChangeKind kind) noexcept;

struct PathChange {
  RelPath path;
  ChangeKind kind = ChangeKind::Modified;
  bool operator==(const PathChange&) const = default;
};

/// What a stream of changes on `image` comes to, sorted by path, by docker's rules: a directory is
/// modified when its owner or mode is or when something below it changed; of a deleted directory
/// only itself is listed; what was copied up but is the same as before is not listed.
std::vector<PathChange> summarize_changes(LayerReader& changes, const LayerTree& image);

/// The changes that `commit` puts into a layer: the container's, without what belongs to running
/// it (/.dockerenv and anything below /dev, /proc and /sys).
std::unique_ptr<LayerReader> committable_changes(const Store& layers,
                                                 const std::string& container,
                                                 const Context& context,
                                                 const DiffReaderOptions& options = {});

}  // namespace layerkit
