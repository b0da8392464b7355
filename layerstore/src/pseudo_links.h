#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "layerkit/base/fd.h"
#include "layerkit/layerstore/layer_stream.h"
#include "layerkit/layerstore/layer_tree.h"

namespace layerkit {

/// A layer below a container: its diff directory and what it decodes to.
struct LayerBelow {
  Fd diff;
  std::shared_ptr<const LayerTree> tree;
};

/// Where to look for pseudo-links.
struct PseudoLinkSources {
  Fd links;                        ///< where they are, named "NUMBER.INO"
  Fd upper;                        ///< the upper directory
  std::vector<LayerBelow> layers;  ///< nearest first
  DiffFormat format;
  int scratch_dir = -1;  ///< for nameless files
};

/// A file with several names below that was copied up under some of them: the others, which the
/// upper directory does not have, show the copy, too.
struct PseudoLink {
  std::string name;            ///< in the directory of pseudo-links
  std::uint64_t ino = 0;       ///< of the copy
  std::vector<RelPath> paths;  ///< that lead to it from below, sorted
};

/// The pseudo-links that are in use. Looks at the layers only when there may be some.
std::vector<PseudoLink> find_pseudo_links(const PseudoLinkSources& sources);

/// `changes` of the upper directory and, behind them, the names that pseudo-links give: as hard
/// links to a name of the same file that came before. Those that look the same in `lower` are left
/// out. Keeps what it needs of `sources`.
std::unique_ptr<LayerReader> add_pseudo_links(std::unique_ptr<LayerReader> changes,
                                              std::vector<PseudoLink> found,
                                              PseudoLinkSources sources,
                                              std::shared_ptr<const LayerTree> lower);

}  // namespace layerkit
