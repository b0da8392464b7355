#pragma once

#include <optional>
#include <string>

#include "layerkit/base/fd.h"
#include "layerkit/base/file.h"
#include "layerkit/base/rel_path.h"

namespace layerkit {

/// How symlinks inside the tree are treated. Neither way leaves the tree.
enum class Follow {
  No,      ///< any symlink on the way is Error{Io} (ELOOP): RESOLVE_BENEATH | NO_SYMLINKS
  InRoot,  ///< symlinks are followed as a chroot would: RESOLVE_IN_ROOT
};

/// A directory tree that is not trusted (a layer, a rootfs). Every access resolves by openat2(2)
/// inside it, with RESOLVE_NO_MAGICLINKS, so that no name, symlink or racing rename leads out.
/// Thread-safe as far as the descriptor is.
class RootDir {
 public:
  /// Takes an open directory (O_PATH will do for all but listing).
  explicit RootDir(Fd dir) : dir_(std::move(dir)) {}

  int fd() const noexcept { return dir_.get(); }

  Fd open(const RelPath& path, int flags, Follow follow, mode_t mode = 0) const;
  std::optional<Fd> open_if_exists(const RelPath& path, int flags, Follow follow) const;
  /// The directory that holds `path` (O_PATH). REQUIRES: !path.is_root().
  Fd open_parent(const RelPath& path, Follow follow) const;
  /// The object itself, a last symlink not followed; nullopt when it or a parent is absent
  /// or a parent is not a directory.
  std::optional<FileStat> stat(const RelPath& path, Follow parents) const;
  /// Content of a regular file, bounded: see read_file_at. nullopt when absent.
  std::optional<std::string> read_file(const RelPath& path,
                                       std::size_t max_bytes,
                                       Follow follow) const;

 private:
  Fd dir_;
};

}  // namespace layerkit
