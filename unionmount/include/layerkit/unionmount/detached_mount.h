#pragma once

#include <string>
#include <utility>

#include "layerkit/base/fd.h"

namespace layerkit {

/// A mount that is not attached anywhere: it lives as long as the descriptor, can be read through
/// it (openat), and vanishes with it unless attached. See fsmount(2), open_tree(2).
class DetachedMount {
 public:
  explicit DetachedMount(Fd mount) : mount_(std::move(mount)) {}

  int fd() const noexcept { return mount_.get(); }
  /// Attaches at the directory `target_fd` refers to (move_mount(2)); the mount stays when this
  /// object goes. `target_name` appears in errors. When it throws, the mount is still detached.
  void attach(int target_fd, const std::string& target_name) &&;
  /// Gives the descriptor up, e.g. to a runtime in another process.
  Fd release() && { return std::move(mount_); }

 private:
  Fd mount_;
};

enum class UnmountMode {
  Now,   ///< Error{Busy} while something uses the mount
  Lazy,  ///< out of sight now, gone when the last user is (MNT_DETACH)
};

/// Unmounts what is mounted at `path`, the topmost where mounts are stacked. False when nothing is
/// mounted there or the path does not exist. Follows no symlink in the last component.
bool unmount(const std::string& path, UnmountMode mode = UnmountMode::Now);

/// True when `path` is the root of a mount; false also when it does not exist. Follows no symlink
/// in the last component.
bool is_mount_point(const std::string& path);

}  // namespace layerkit
