#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

/// What identifies a directory while we walk down and up by "..".
struct Level {
  std::uint64_t dev;
  std::uint64_t ino;
  std::string name;  ///< in its parent
};

/// Removes the non-directories of `dir`; returns its subdirectories.
std::vector<std::string> remove_files(int dir) {
  std::vector<std::string> subdirectories;
  for (const DirEntry& entry : list_dir(dir)) {
    if (::unlinkat(dir, entry.name.c_str(), 0) == 0 || errno == ENOENT) continue;
    const int err = errno;
    if (err != EISDIR) fail_errno(err, "removing {}", quoted(entry.name));
    subdirectories.push_back(entry.name);
  }
  return subdirectories;
}

void check_same(int fd, const Level& level) {
  const FileStat stat = stat_fd(fd);
  if (stat.dev != level.dev || stat.ino != level.ino) {
    fail(Errc::Busy, "removing {}: the directory was moved meanwhile", quoted(level.name));
  }
}

/// Walks depth first with one open directory at a time: a tree may be deeper than the limit on
/// open files.
class TreeRemover {
 public:
  TreeRemover(int parent, const std::string& name) : current_(open_dir_at(parent, name)) {
    push(name);
  }

  void run() {
    while (!pending_.empty()) {
      if (pending_.back().empty()) {
        ascend();
      } else {
        descend();
      }
    }
  }

 private:
  void push(const std::string& name) {
    const FileStat stat = stat_fd(current_.get());
    levels_.push_back({stat.dev, stat.ino, name});
    pending_.push_back(remove_files(current_.get()));
  }

  void descend() {
    const std::string name = std::move(pending_.back().back());
    pending_.back().pop_back();
    Fd child = open_dir_at(current_.get(), name);
    if (stat_fd(child.get()).dev != levels_.front().dev) {
      fail(Errc::Busy, "removing {}: something is mounted there", quoted(name));
    }
    current_ = std::move(child);
    push(name);
  }

  void ascend() {
    const Level done = std::move(levels_.back());
    levels_.pop_back();
    pending_.pop_back();
    if (levels_.empty()) return;
    Fd parent = open_at(current_.get(), "..", O_RDONLY | O_DIRECTORY);
    check_same(parent.get(), levels_.back());
    current_ = std::move(parent);
    unlink_at(current_.get(), done.name, AT_REMOVEDIR);
  }

  Fd current_;
  std::vector<Level> levels_;
  std::vector<std::vector<std::string>> pending_;
};

}  // namespace

void remove_tree_at(int dir_fd, const std::string& name) {
  const auto stat = stat_at(dir_fd, name);
  if (!stat) return;
  if (stat->type == FileType::Directory) {
    TreeRemover(dir_fd, name).run();
    unlink_at(dir_fd, name, AT_REMOVEDIR);
  } else {
    unlink_at(dir_fd, name);
  }
}

}  // namespace layerkit
