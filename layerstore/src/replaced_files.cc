#include "replaced_files.h"

#include <fcntl.h>

#include <string>

#include "diff_walk.h"
#include "layerkit/base/file.h"
#include "store_files_linux.h"
#include "store_layout.h"

namespace layerkit {

void ReplacedFiles::keep(const RelPath& path) {
  const auto stat = diff_.stat(path, Follow::No);
  if (!stat) return;
  if (stat->type != FileType::Directory) {
    return keep_file(diff_.open_parent(path, Follow::No).get(), path, *stat);
  }
  DiffWalk walk(diff_.open(path, O_RDONLY | O_DIRECTORY, Follow::No), layer_);
  do {
    for_each_in_dir(walk.fd(), [&](std::string_view name) {
      const auto child = stat_at(walk.fd(), std::string(name));
      if (child && child->type == FileType::Directory) walk.visit_later(name, 0);
      if (child) keep_file(walk.fd(), path / walk.dir().path / name, *child);
      return true;
    });
  } while (walk.next());
}

void ReplacedFiles::keep_file(int dir, const RelPath& path, const FileStat& stat) {
  // An empty file has no contents that a recipe could refer to.
  if (stat.type != FileType::Regular || stat.size == 0) return;
  if (!directory_) directory_ = make_exact_dir(layer_, store_file::kReplaced, 0700);
  link_at(dir, std::string(path.name()), directory_.get(), std::to_string(count_));
  recipe_.replaced(path);
  ++count_;
}

}  // namespace layerkit
