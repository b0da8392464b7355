#pragma once

#include <string>

#include "layerkit/base/fd.h"

namespace layerkit {

/// A mount that is not attached anywhere: it lives as long as the descriptor, can be read through
/// it (openat), and vanishes with it unless attached. See fsmount(2), open_tree(2).
class DetachedMount {
 public:
  explicit DetachedMount(Fd mount) : mount_(std::move(mount)) {}

  int fd() const noexcept { return mount_.get(); }
  /// Attaches at the directory `target_fd` refers to (move_mount(2)); the mount stays when this
  /// object goes. `target_name` appears in errors.
  void attach(int target_fd, const std::string& target_name) &&;
  /// Gives the descriptor up, e.g. to a runtime in another process.
  Fd release() && { return std::move(mount_); }

 private:
  Fd mount_;
};

/// Detaches whatever is mounted at `path` (umount2 with MNT_DETACH when `lazy`). False when
/// nothing is mounted there. Follows no symlink in the last component.
bool unmount(const std::string& path, bool lazy = false);

/// True when `path` is the root of a mount.
bool is_mount_point(const std::string& path);

}  // namespace layerkit
