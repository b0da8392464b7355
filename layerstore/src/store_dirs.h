#pragma once

#include <fcntl.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "driver_layout.h"
#include "layerkit/base/fd.h"
#include "layerkit/base/file.h"
#include "layerkit/base/root_dir.h"
#include "layerkit/layerstore/layer_tree.h"
#include "store_layout.h"

namespace layerkit {

class IndexPageCache;

/// The open directories of a store and what can be read from them. Immutable, so thread-safe.
/// Our own paths are walked one component at a time and never through a symlink.
/// REQUIRES: owned by a shared_ptr.
class StoreDirs : public std::enable_shared_from_this<StoreDirs> {
 public:
  /// `root` is the open directory, `path` its absolute path.
  StoreDirs(Fd root, std::string path, StoreDriver driver);

  const DriverLayout& layout() const noexcept { return *layout_; }
  DiffFormat format() const noexcept { return diff_format(layout_->driver()); }
  int staging() const noexcept { return staging_.get(); }
  FileLock lock(LockKind kind) const { return {root_.fd(), store_file::kLock, kind}; }

  /// Throws Error{Integrity} that names the record when it is damaged.
  std::optional<LayerRecord> find_layer(const ChainId& chain) const;
  /// Throws Error{NotFound} when absent.
  LayerRecord layer(const ChainId& chain) const;
  std::vector<LayerRecord> layers() const;

  /// The container directory `name`, which may be that of an init layer.
  std::optional<ContainerRecord> find_container(const std::string& name) const;
  /// Names of the directories with this role.
  std::vector<std::string> containers(ContainerRole role) const;

  /// What a mount of `chain` is made of, nearest first: layers under an opaque root are left out.
  std::vector<LayerRecord> stack(const std::optional<ChainId>& chain) const;
  /// Names of the layers that a mount on `chain` has below it, nearest first.
  std::vector<std::string> stack_names(const std::optional<ChainId>& chain) const;

  /// Whether the name is taken, by whatever it is.
  bool has_directory(const std::string& directory) const;
  /// The directory with the records of a layer or container.
  Fd open_directory(const std::string& directory) const;
  std::optional<Fd> find_directory(const std::string& directory) const;
  Fd open_part(const std::string& directory, LayerPart part, int flags) const;
  Fd open_diff(const std::string& directory) const {
    return open_part(directory, LayerPart::Diff, O_RDONLY | O_DIRECTORY);
  }
  /// nullopt when it is absent.
  std::optional<Fd> find_part(const std::string& directory, LayerPart part, int flags) const;
  /// Absolute; empty when the driver has no such part.
  std::string path_of(const std::string& directory, LayerPart part) const;

  /// By its index where it has one, else by its diff directory.
  std::shared_ptr<const LayerTree> tree(const std::string& directory) const;
  /// For indexes of layers that are not in place yet, too.
  const std::shared_ptr<IndexPageCache>& index_pages() const noexcept { return index_pages_; }
  /// See Store::layer_trees.
  std::vector<std::shared_ptr<const LayerTree>> layer_trees(
      const std::optional<ChainId>& chain) const;
  std::shared_ptr<const LayerTree> view(const std::optional<ChainId>& chain) const;

 private:
  RootDir root_;
  std::string path_;
  Fd staging_;
  std::shared_ptr<IndexPageCache> index_pages_;
  std::unique_ptr<const DriverLayout> layout_;
};

}  // namespace layerkit
