#include "check/branch_walk.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"

namespace layerkit {
namespace {

/// Directories further above are opened again by "..".
constexpr std::size_t kOpenLevels = 64;

std::vector<std::string> names_in(int directory) {
  std::vector<std::string> names;
  for (DirEntry& entry : list_dir(directory))
    names.push_back(std::move(entry.name));
  return names;
}

/// Empty for anything but a directory.
Fd open_if_directory(int parent, const std::string& name) {
  try {
    return open_dir_at(parent, name);
  } catch (const Error& error) {
    const int err = error.sys_errno();
    if (err == ENOENT || err == ENOTDIR || err == ELOOP) return Fd();
    throw;
  }
}

}  // namespace

BranchWalk::BranchWalk(const Fd& root, Visit visit) : visit_(std::move(visit)) {
  Fd directory = open_dir_at(root.get(), ".");
  dev_ = stat_fd(directory.get()).dev;
  enter(std::move(directory));
}

void BranchWalk::enter(Fd directory) {
  const FileStat info = stat_fd(directory.get());
  if (info.dev != dev_) {
    path_.resize(levels_.empty() ? 0 : levels_.back().path_size);
    return;
  }
  if (levels_.size() >= kOpenLevels) levels_[levels_.size() - kOpenLevels].directory.reset();
  std::vector<std::string> next = visit_(directory.get(), path_, names_in(directory.get()));
  std::ranges::reverse(next);
  levels_.push_back({std::move(directory), info.dev, info.ino, path_.size(), std::move(next)});
}

void BranchWalk::enter_next() {
  Level& level = levels_.back();
  const std::string name = std::move(level.remaining.back());
  level.remaining.pop_back();
  Fd directory = open_if_directory(level.directory.get(), name);
  if (!directory) return;
  path_ += name + "/";
  enter(std::move(directory));
}

void BranchWalk::leave() {
  const Level left = std::move(levels_.back());
  levels_.pop_back();
  if (levels_.empty()) return;
  Level& above = levels_.back();
  path_.resize(above.path_size);
  if (above.directory) return;
  above.directory = open_dir_at(left.directory.get(), "..");
  const FileStat info = stat_fd(above.directory.get());
  if (info.dev != above.dev || info.ino != above.ino)
    fail(Errc::Busy, "walking through a branch: somebody moved a directory meanwhile");
}

void BranchWalk::run() {
  while (!levels_.empty()) {
    if (levels_.back().remaining.empty()) {
      leave();
    } else {
      enter_next();
    }
  }
}

}  // namespace layerkit
