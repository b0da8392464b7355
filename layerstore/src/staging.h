#pragma once

#include <string>

#include "layerkit/base/fd.h"
#include "layerkit/base/file.h"

namespace layerkit {

/// A directory of its own in `staging/`, for work that is not visible yet. It is locked (flock)
/// as long as it lives, so that others can tell it from what a dead process left; it is removed
/// with everything in it when destroyed.
class StagingDir {
 public:
  /// `staging_fd` must outlive it.
  explicit StagingDir(int staging_fd);
  StagingDir(const StagingDir&) = delete;
  StagingDir& operator=(const StagingDir&) = delete;
  ~StagingDir();

  int fd() const noexcept { return dir_.get(); }
  /// Moves `name` out of a directory into this one, to be removed with it. False when somebody
  /// else moved it first.
  bool take(int dir_fd, const std::string& name) const;

 private:
  int parent_;
  std::string name_;
  Fd dir_;
  std::optional<FileLock> lock_;
};

/// Removes the staging directories whose owners are dead. Needs no lock, never waits.
void sweep_staging(int staging_fd);

}  // namespace layerkit
