#include "files_aside.h"

#include <unistd.h>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/base/whiteout.h"

namespace layerkit {

bool FilesAside::holds(const RelPath& path) const {
  return dir_ && stat_at(dir_.get(), std::string(path.name()));
}

int FilesAside::fd() {
  if (!dir_) {
    const std::string name(kAufsLinkDirectory);
    make_dir_at(diff_.fd(), name, 0700);
    dir_ = open_dir_at(diff_.fd(), name);
  }
  return dir_.get();
}

void FilesAside::add(const Entry& entry, ByteSource& contents) {
  make_room(entry.path);
  objects_.create(fd(), std::string(entry.path.name()), entry, contents);
}

void FilesAside::link(int dir_fd, const std::string& name, const RelPath& path) {
  make_room(path);
  if (::linkat(dir_fd, name.c_str(), fd(), std::string(path.name()).c_str(), 0) != 0) {
    const int err = errno;
    fail_errno(err, "linking to {}", quoted(name));
  }
}

void FilesAside::make_room(const RelPath& path) {
  if (!holds(path)) return;
  if (before_removal_) before_removal_(path);
  unlink_at(fd(), std::string(path.name()));
}

void FilesAside::remove() {
  if (!dir_) return;
  const std::string name(kAufsLinkDirectory);
  if (before_removal_) before_removal_(RelPath::parse(name));
  dir_ = Fd();
  remove_tree_at(diff_.fd(), name);
}

}  // namespace layerkit
