#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "layerkit/base/fd.h"
#include "layerkit/unionmount/mount_options.h"
#include "layerkit/unionmount/union_spec.h"

namespace layerkit {

/// A branch of a mounted union, as /sys/fs/aufs/si_ID/brN would show it.
struct BranchState {
  std::string path;
  std::string permission;  ///< "rw", "ro+wh", ...
  int id = 0;              ///< stays when branches move
};

/// What can be asked of a union while it is mounted. Thread-safe.
class UnionControl {
 public:
  UnionControl() = default;
  UnionControl(const UnionControl&) = delete;
  UnionControl& operator=(const UnionControl&) = delete;
  virtual ~UnionControl() = default;

  virtual std::vector<BranchState> branches() const = 0;
  /// Puts a branch at `index` (0: the top; -1: the bottom). A path that is a branch already is
  /// success. Throws Error{Invalid} for a directory that lies in another branch or in the union.
  virtual void insert_branch(int index, Branch branch) = 0;
  /// Takes the branch away; an absent one is success. Throws Error{Busy} while something of it is
  /// in use that lies on no other branch, Error{Invalid} for the last branch.
  virtual void delete_branch(const std::string& path) = 0;
  /// Throws Error{Busy} when it becomes read-only while files of it are open for writing.
  virtual void modify_branch(const std::string& path,
                             BranchAccess access,
                             const BranchAttributes& attributes) = 0;
  /// Settings that a remount may change (policies, udba); others keep their value.
  virtual void change_settings(const AufsSettings& settings) = 0;
};

/// How the server runs.
struct UnionServerOptions {
  /// Threads that answer the kernel; 0: as many as there are processors, at least 2.
  std::size_t threads = 0;
  /// FUSE passthrough where kernel and privilege allow.
  bool passthrough = true;
  /// The kernel keeps written data (unprivileged mounts).
  bool writeback = false;
  /// Called on the serving thread once requests are answered, and with nullptr before the union
  /// goes.
  std::function<void(UnionControl*)> on_control = [](UnionControl*) {};
};

/// Serves a union with AUFS semantics on an open /dev/fuse until the kernel drops the connection
/// (everything is unmounted). `spec.branches` need paths or a readable /proc. Blocks; runs its own
/// threads. Throws for a spec that cannot be served.
void serve_fuse_union(UnionSpec spec, Fd fuse_device, const UnionServerOptions& options);

}  // namespace layerkit
