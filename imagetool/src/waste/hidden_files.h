#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "layerkit/base/context.h"
#include "layerkit/imagetool/image_waste.h"
#include "layerkit/layerstore/layer_tree.h"
#include "layerkit/layerstore/name_sorter.h"
#include "sort_record.h"
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
  /// In the layer, which may have something else at `path`, this name is the file that is there
  /// below. Before `run`.
  void add_name_of_lower(std::size_t layer, const RelPath& name, const RelPath& path);

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
  /// What is known of a layer's hard links at a path.
  struct LinkNote {
    std::size_t layer = 0;
    bool is_lower = false;        ///< what the layer has there is the lower file
    bool is_name = false;         ///< what the layer has there is the lower file of another path
    std::optional<RelPath> name;  ///< of the lower file, in the layer
  };
  /// A file of a layer: by its number, or, where it has one name, by that.
  struct FileKey {
    std::size_t layer = 0;
    std::uint64_t number = 0;
    RelPath path;
    auto operator<=>(const FileKey&) const = default;
  };

  void visit(const RelPath& path, const std::vector<StackedVersion>& versions);
  std::shared_ptr<File> file_of(const StackedVersion& version,
                                const std::optional<FileIdentity>& identity);
  struct Linked {
    std::shared_ptr<File> file;
    bool is_lower = false;  ///< it is the lower one
  };

  static void absorb(File& file, const File& other);
  std::vector<LinkNote> notes_of(const RelPath& path);
  static void add_link_record(RecordFields& fields, std::vector<LinkNote>& notes);
  void unite(const LinkNote& note,
             const std::vector<StackedVersion>& versions,
             const std::vector<std::shared_ptr<File>>& files,
             std::size_t below);
  FileKey key_of(std::size_t layer, const RelPath& path) const;
  void set_file(const FileKey& key, const std::shared_ptr<File>& file);
  std::shared_ptr<File> file_of_name(std::size_t layer,
                                     const RelPath& path,
                                     const std::shared_ptr<File>& file);
  void finish(const File& file);
  std::vector<HiddenPath> dearest(std::size_t top);

  const Trees& trees_;
  NameSorter links_;
  std::optional<std::string> next_link_;
  bool links_started_ = false;
  NameSorter hidden_;
  std::map<Key, Names> names_;
  std::map<FileKey, Linked> linked_;  ///< files of layers that have names of lower ones
  Result result_;
};

}  // namespace layerkit
