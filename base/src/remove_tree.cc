#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
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

/// Names of subdirectories kept in memory at a time, over all levels.
constexpr std::size_t kMaxPending = 16384;

/// Subdirectories of one level that are still to be removed.
struct Pending {
  std::vector<std::string> names;
  bool is_all = false;  ///< false: there may be more than these
};

/// Removes the non-directories of `dir`; returns its subdirectories, or `max_names` of them.
Pending remove_files(int dir, std::size_t max_names) {
  Pending pending;
  for_each_in_dir(dir, [&](std::string_view found) {
    std::string name(found);
    if (::unlinkat(dir, name.c_str(), 0) == 0 || errno == ENOENT) return true;
    const int err = errno;
    if (err != EISDIR) fail_errno(err, "removing {}", quoted(name));
    pending.names.push_back(std::move(name));
    return pending.names.size() < max_names;
  });
  pending.is_all = pending.names.size() < max_names;
  return pending;
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
      if (pending_.back().names.empty() && !list_more()) {
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
    pending_.emplace_back();
    list_more();
  }

  /// False when the current directory is empty.
  bool list_more() {
    if (pending_.back().is_all) return false;
    const std::size_t room = kMaxPending - std::min(kMaxPending, names_pending_);
    pending_.back() = remove_files(current_.get(), std::max<std::size_t>(room, 1));
    names_pending_ += pending_.back().names.size();
    return !pending_.back().names.empty();
  }

  void descend() {
    const std::string name = std::move(pending_.back().names.back());
    pending_.back().names.pop_back();
    --names_pending_;
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
  std::vector<Pending> pending_;
  std::size_t names_pending_ = 0;
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
