#pragma once

#include <fcntl.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/unionmount/mounter.h"

namespace layerkit::testing {

/// Creates the directory and gives its descriptor as a branch.
inline Branch make_branch(const std::string& path, BranchAccess access = BranchAccess::ReadOnly) {
  make_dir_at(AT_FDCWD, path, 0755);
  return {open_at(AT_FDCWD, path, O_PATH | O_DIRECTORY), access};
}

inline void put(const std::string& path, const std::string& contents) {
  write_file_at(AT_FDCWD, path, contents, 0644);
}

inline std::string contents_of(int dir_fd, const std::string& path) {
  return read_file_at(dir_fd, path, 1 << 20);
}

/// Every path below the directory with its contents; directories end in '/'.
using TreeText = std::map<std::string, std::string>;

inline void add_tree(int dir_fd, const std::string& prefix, TreeText& tree) {
  const Fd dir = open_dir_at(dir_fd, ".");
  for (const DirEntry& entry : list_dir(dir.get())) {
    if (stat_at(dir.get(), entry.name)->type == FileType::Directory) {
      tree[prefix + entry.name + "/"] = "";
      add_tree(open_dir_at(dir.get(), entry.name).get(), prefix + entry.name + "/", tree);
    } else {
      tree[prefix + entry.name] = contents_of(dir.get(), entry.name);
    }
  }
}

inline TreeText tree_of(int dir_fd) {
  TreeText tree;
  add_tree(dir_fd, "", tree);
  return tree;
}

/// Tells when the file system that holds a file is shut down: the last mount of it, attached,
/// detached or inside an overlay, is gone. Holds nothing itself.
class FileSystemWatch {
 public:
  explicit FileSystemWatch(const std::string& path)
      : inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
    if (::inotify_add_watch(inotify_.get(), path.c_str(), IN_MOVE_SELF) < 0)
      fail_errno(errno, "watching '{}'", path);
  }
  bool is_gone() const {
    alignas(inotify_event) std::array<char, 4096> buffer{};
    const ssize_t got = ::read(inotify_.get(), buffer.data(), buffer.size());
    inotify_event event{};
    if (got < static_cast<ssize_t>(sizeof(event))) return false;
    std::memcpy(&event, buffer.data(), sizeof(event));
    return (event.mask & IN_UNMOUNT) != 0;
  }

 private:
  Fd inotify_;
};

}  // namespace layerkit::testing
