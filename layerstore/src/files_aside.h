#pragma once

#include <string>

#include "layerkit/base/entry.h"
#include "layerkit/base/fd.h"
#include "layerkit/base/root_dir.h"
#include "layerkit/layerstore/diff_dir.h"
#include "object_writer.h"

namespace layerkit {

/// Files of AUFS's `.wh..wh.plnk`, in a directory of that name that stands in the root of the diff
/// directory until the layer is complete. Not thread-safe.
class FilesAside {
 public:
  /// The arguments must outlive it.
  FilesAside(const RootDir& diff, ObjectWriter& objects, const BeforeRemoval& before_removal)
      : diff_(diff), objects_(objects), before_removal_(before_removal) {}

  // REQUIRES of all paths: is_aufs_link.

  bool holds(const RelPath& path) const;
  void add(const Entry& entry, ByteSource& contents);
  /// Keeps another name of a file of the layer.
  void link(int dir_fd, const std::string& name, const RelPath& path);
  /// The directory; made when it is not there yet.
  int fd();
  /// Removes the directory.
  void remove();

 private:
  void make_room(const RelPath& path);

  const RootDir& diff_;
  ObjectWriter& objects_;
  const BeforeRemoval& before_removal_;
  Fd dir_;
};

}  // namespace layerkit
