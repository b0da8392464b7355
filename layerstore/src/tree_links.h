#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "layerkit/base/entry.h"
#include "layerkit/layerstore/layer_tree.h"

namespace layerkit {

/// Finds the names of one file on a walk through a tree. Keeps a file in memory as long as names of
/// it may come. Not thread-safe.
class TreeLinks {
 public:
  /// Turns the second and later names of a file into hard links to the first.
  void resolve(Entry& entry, const std::optional<FileIdentity>& file) {
    if (!file) return;
    const auto [found, added] = files_.try_emplace({file->layer, file->number});
    Names& names = found->second;
    if (added) {
      names.first = entry.path;
    } else {
      entry.hard_link_target = names.first;
    }
    if (++names.seen == file->links) files_.erase(found);
  }

 private:
  struct Names {
    RelPath first;
    std::uint64_t seen = 0;
  };

  std::map<std::pair<const LayerTree*, std::uint64_t>, Names> files_;
};

}  // namespace layerkit
