#include "replaced_files.h"

#include <fcntl.h>

#include <string>
#include <vector>

#include "store_files_linux.h"
#include "store_layout.h"

namespace layerkit {

void ReplacedFiles::keep(const RelPath& path) {
  std::vector<RelPath> pending{path};
  while (!pending.empty()) {
    const RelPath object = std::move(pending.back());
    pending.pop_back();
    const auto stat = diff_.stat(object, Follow::No);
    if (!stat) continue;
    // An empty file has no contents that a recipe could refer to.
    if (stat->type == FileType::Regular && stat->size > 0) keep_file(object);
    if (stat->type != FileType::Directory) continue;
    const Fd dir = diff_.open(object, O_RDONLY | O_DIRECTORY, Follow::No);
    for (const DirEntry& entry : list_dir(dir.get())) {
      pending.push_back(object / entry.name);
    }
  }
}

void ReplacedFiles::keep_file(const RelPath& path) {
  if (!directory_) directory_ = make_exact_dir(layer_, store_file::kReplaced, 0700);
  const Fd parent = diff_.open_parent(path, Follow::No);
  link_at(parent.get(), std::string(path.name()), directory_.get(), std::to_string(count_));
  recipe_.replaced(path);
  ++count_;
}

}  // namespace layerkit
