#include "staging.h"

#include <fcntl.h>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "store_files_linux.h"

namespace layerkit {
namespace {

/// The lock on a staging directory, unless somebody else holds it.
std::optional<FileLock> try_lock_dir(int staging_fd, const std::string& name) {
  auto dir = open_at_if_exists(staging_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!dir) return std::nullopt;
  return FileLock::try_lock(std::move(*dir), LockKind::Exclusive);
}

}  // namespace

StagingDir::StagingDir(int staging_fd) : parent_(staging_fd) {
  // Between mkdir and flock a sweeper may take the new directory for a dead one. It locks what it
  // removes, so either we get the lock while the name still stands, or the directory is lost to it
  // and we take another. That race is short: a handful of attempts is plenty.
  constexpr int kAttempts = 100;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    name_ = random_hex(32);
    make_dir_at(staging_fd, name_, 0700);
    auto dir = open_at_if_exists(staging_fd, name_, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!dir) continue;
    lock_ = try_lock_dir(staging_fd, name_);
    const auto named = stat_at(staging_fd, name_);
    if (!lock_ || !named || named->ino != stat_fd(dir->get()).ino) continue;
    dir_ = std::move(*dir);
    return;
  }
  fail(Errc::Busy, "creating a staging directory: it is removed again and again");
}

StagingDir::~StagingDir() {
  try {
    remove_tree_at(parent_, name_);
  } catch (const Error&) {  // NOLINT(bugprone-empty-catch): the next sweep gets it
  }
}

bool StagingDir::take(int dir_fd, const std::string& name) const {
  try {
    rename_at(dir_fd, name, fd(), name);
  } catch (const Error& error) {
    if (error.code() == Errc::NotFound) return false;
    throw;
  }
  return true;
}

void sweep_staging(int staging_fd) {
  for (const DirEntry& entry : list_dir(staging_fd)) {
    const auto stat = stat_at(staging_fd, entry.name);
    if (!stat || stat->type != FileType::Directory) continue;
    // Held until the tree is gone: its creator, if it lives, sees that it lost.
    if (const auto lock = try_lock_dir(staging_fd, entry.name)) {
      remove_tree_at(staging_fd, entry.name);
    }
  }
}

}  // namespace layerkit
