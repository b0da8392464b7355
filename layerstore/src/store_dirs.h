#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "layerkit/base/fd.h"
#include "layerkit/base/file.h"
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
  StoreDirs(Fd root, std::string path);

  int overlay() const noexcept { return overlay_.get(); }
  int links() const noexcept { return links_.get(); }
  int staging() const noexcept { return staging_.get(); }
  FileLock lock(LockKind kind) const { return {root_.get(), store_file::kLock, kind}; }

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
  /// Text of the file `lower` of a directory; empty when it has none.
  std::string lower_of(const std::string& directory) const;

  Fd open_directory(const std::string& directory) const;
  /// `sub` of overlay2/<directory>.
  Fd open_below(const std::string& directory, const std::string& sub, int flags) const;
  std::string path_of(const std::string& directory, const std::string& sub) const;

  /// By its index where it has one, else by its diff directory.
  std::shared_ptr<const LayerTree> tree(const std::string& directory) const;
  /// For indexes of layers that are not in `overlay` yet, too.
  const std::shared_ptr<IndexPageCache>& index_pages() const noexcept { return index_pages_; }
  std::shared_ptr<const LayerTree> view(const std::optional<ChainId>& chain) const;

  /// Makes `l/<link>` for a directory, whether or not the directory exists already.
  void add_link(const std::string& directory) const;
  void remove_link(const std::string& directory) const;

 private:
  Fd root_;
  std::string path_;
  Fd overlay_;
  Fd links_;
  Fd staging_;
  std::shared_ptr<IndexPageCache> index_pages_;
};

}  // namespace layerkit
