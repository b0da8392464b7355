#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layerkit/base/fd.h"
#include "layerkit/unionmount/detached_mount.h"
#include "layerkit/unionmount/fuse_union.h"
#include "layerkit/unionmount/mount_info.h"
#include "layerkit/unionmount/mount_options.h"

namespace layerkit {

/// A mounted FUSE union as its control directory shows it (docs/formats/union-control.md).
struct UnionInfo {
  std::string id;                         ///< "si"
  std::string directory;                  ///< "/run/aufs/si_ID"
  std::uint64_t device = 0;               ///< st_dev of the mount
  int pid = 0;                            ///< of the server, in its own PID namespace
  std::string settings;                   ///< that differ from the defaults, as options
  std::vector<BranchState> branches;      ///< the top first
  std::vector<std::string> mount_points;  ///< that this process sees; else where it was attached
};

/// The unions of this user and of root that are served, by ID.
std::vector<UnionInfo> list_unions();

/// The union of that mount, found by its device number; nullopt when it is no FUSE union, or that
/// of another user.
std::optional<UnionInfo> find_union(const MountInfo& mount);

/// Asks the server of a union. Every call throws the server's own error; Error{NotFound} when
/// nobody serves it any more.
class UnionClient final {
 public:
  explicit UnionClient(const UnionInfo& info);

  std::vector<BranchState> branches() const;
  /// Puts `directory` at `index` (0: the top; -1: the bottom), to be shown as `branch.path`.
  void insert_branch(int index, const BranchText& branch, const Fd& directory) const;
  void delete_branch(const std::string& path) const;
  void modify_branch(const BranchText& branch) const;
  void change_settings(const AufsSettings& settings) const;
  /// Says where the union was attached, to be shown.
  void tell_mount_point(const std::string& path) const;
  /// Has the server unmount it wherever it sees it.
  void unmount(UnmountMode mode) const;

 private:
  /// What follows the "ok".
  std::string ask(const std::string& request, const std::vector<int>& descriptors = {}) const;

  std::string name_;
  Fd directory_;
};

/// Carries out what `mount -o remount,OPTIONS` says for the union at `mount_point`, by FUSE or by
/// the kernel's AUFS: branches from left to right, then settings and flags of the mount. Branches
/// are looked up from the present directory. What was done before an error stays done. Gives
/// warnings.
std::vector<std::string> remount_union(const std::string& mount_point, std::string_view options);

}  // namespace layerkit
