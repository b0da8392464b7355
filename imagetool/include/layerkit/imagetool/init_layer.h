#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "layerkit/base/context.h"
#include "layerkit/base/entry.h"
#include "layerkit/layerstore/diff_format.h"
#include "layerkit/layerstore/layer_tree.h"

namespace layerkit {

/// A path followed to its end inside a tree, all symlinks resolved as in a chroot.
struct ResolvedPath {
  RelPath path;                ///< holds no symlink
  std::optional<Entry> entry;  ///< nullopt: nothing is there (and perhaps not its parents either)
};
/// Throws Error{Invalid} for a loop of symlinks or a parent that is not a directory.
ResolvedPath resolve_in_tree(const LayerTree& tree, const RelPath& path);

/// One thing the init layer provides where the image has nothing.
struct InitObject {
  std::string path;                   ///< absolute
  FileType type = FileType::Regular;  ///< Regular (empty), Directory or Symlink
  std::string symlink_target;
};

/// What every container finds: the mount points of /proc, /sys and parts of /dev, the files that
/// are bound over in /etc, /.dockerenv, /etc/mtab. As docker's init layer.
std::vector<InitObject> default_init_objects();

/// Fills the diff directory of an init layer that lies on `image`: each object that is absent there
/// (symlinks followed) is made where the symlinks lead; what the image has is left alone.
///
/// Because it is a layer of its own below the container's, nothing of it counts as a change.
void write_init_layer(int diff_fd,
                      const std::shared_ptr<const LayerTree>& image,
                      const std::vector<InitObject>& objects,
                      const Timestamp& created,
                      const Context& context,
                      DiffFormat format = DiffFormat::overlay());

/// Copies the directory at `path` of `tree` with all it holds into the empty directory
/// `directory_fd`: owners, modes, times, xattrs. Hard links become files of their own. Nothing is
/// copied when `path` is absent there; an object that is no directory is Error{Invalid}.
void copy_out_directory(const std::shared_ptr<const LayerTree>& tree,
                        const RelPath& path,
                        int directory_fd,
                        const Context& context);

}  // namespace layerkit
