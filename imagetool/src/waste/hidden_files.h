#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "layerkit/base/context.h"
#include "layerkit/imagetool/image_waste.h"
#include "layerkit/layerstore/layer_tree.h"
#include "layerkit/layerstore/name_sorter.h"
#include "waste/stack_walk.h"

namespace layerkit {

/// Finds the files of a stack of layers that nothing shows. A file with several names is seen as
/// long as one of them is; one that is in a layer only because a hard link of that layer names a
/// lower file is that lower file. Not thread-safe.
class HiddenFiles {
 public:
  using Trees = std::vector<std::shared_ptr<const LayerTree>>;

  /// `directory` is where what does not fit into memory goes; both must outlive it.
  HiddenFiles(int directory, const Trees& base_to_top)
      : trees_(base_to_top), links_(directory), hidden_(directory) {}

  /// The layer has this file, which a hard link of it names, from below. Before `run`.
  void add_linked_lower(std::size_t layer, const RelPath& path);

  struct Result {
    std::uint64_t shown_bytes = 0;
    std::uint64_t hidden_bytes = 0;
    std::vector<HiddenPath> paths;  ///< the dearest first
  };
  /// To be called once.
  Result run(std::size_t top, const Context& context);

 private:
  /// A file, with what is known of it so far.
  struct File {
    RelPath path;  ///< the first name
    HiddenFile record;
    bool is_shown = false;
  };
  /// A file with several names in its layer.
  struct Names {
    std::shared_ptr<File> file;
    std::uint64_t seen = 0;
    std::uint64_t links = 1;
  };
  using Key = std::pair<std::size_t, std::uint64_t>;

  void visit(const RelPath& path, const std::vector<StackedVersion>& versions);
  std::shared_ptr<File> file_of(const StackedVersion& version,
                                const std::optional<FileIdentity>& identity);
  bool is_linked_lower(std::size_t layer, const RelPath& path);
  void finish(const File& file);
  std::vector<HiddenPath> dearest(std::size_t top);

  const Trees& trees_;
  NameSorter links_;
  std::optional<std::pair<RelPath, std::size_t>> next_link_;
  bool links_started_ = false;
  NameSorter hidden_;
  std::map<Key, Names> names_;
  Result result_;
};

}  // namespace layerkit
