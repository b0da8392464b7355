#pragma once

#include <string>
#include <vector>

#include "layerkit/base/fd.h"
#include "layerkit/unionmount/aufs_settings.h"
#include "layerkit/unionmount/overlay_settings.h"

namespace layerkit {

/// Who may change a branch (aufs(5), "Branch Syntax").
enum class BranchAccess {
  ReadWrite,     ///< rw: the union writes to it
  ReadOnly,      ///< ro: the union does not, others may
  RealReadOnly,  ///< rr: nobody does (a squashfs, an image layer); nothing is asked twice
};

/// What opening a file of a branch for reading does (coo_reg, coo_all, moo).
enum class OnOpen {
  Nothing,
  CopyUpRegular,  ///< coo_reg: regular files are copied up
  CopyUpAll,      ///< coo_all: directories, too
  MoveUp,         ///< moo: regular files are moved up
};

/// What stands behind a "+" in a branch's permission.
struct BranchAttributes {
  bool whiteouts = false;          ///< wh (ro, rr): whiteouts of the branch count
  bool no_link_whiteouts = false;  ///< nolwh (rw): whiteouts are files of their own, no hard links
  OnOpen on_open = OnOpen::Nothing;
  bool hierarchical = false;  ///< fhsm: takes part in fhsm; kept and shown
  /// icex...: xattrs that may be lost on the way up without an error.
  bool ignore_xattr_errors = false;           ///< icex: all below
  bool ignore_security_xattr_errors = false;  ///< icexsec
  bool ignore_system_xattr_errors = false;    ///< icexsys: ACLs
  bool ignore_trusted_xattr_errors = false;   ///< icextr
  bool ignore_user_xattr_errors = false;      ///< icexusr
  bool ignore_other_xattr_errors = false;     ///< icexoth

  bool operator==(const BranchAttributes&) const = default;
};

/// One directory of a union, held open (O_PATH will do).
struct Branch {
  Fd directory;
  BranchAccess access = BranchAccess::ReadOnly;
  BranchAttributes attributes = {};
  std::string path = {};  ///< what to show for it; empty: asked of /proc
  /// A user namespace whose mappings the owners of the branch's files are shown by: "0" where it
  /// says that its own 0 is. Of overlayfs's read-only branches alone, for who may map them
  /// (mount_setattr(2), MOUNT_ATTR_IDMAP).
  Fd id_mapping = {};

  bool writable() const noexcept { return access == BranchAccess::ReadWrite; }
};

/// How a union writes down that something is gone. Both are read wherever they are found in a
/// branch that may hold them: overlay's in every read-only branch, AUFS's where `whiteouts` says so
/// and in writable ones.
enum class WhiteoutFormat {
  Overlay,  ///< 0:0 devices and xattrs: the upper is one of overlayfs
  Aufs,     ///< `.wh.` names: the branch is one of AUFS
};

/// A union, whatever mounts it. `branches[0]` is the top. Settings of overlayfs that say where a
/// file's contents are give Error{Unsupported} elsewhere, its others mean nothing there.
struct UnionSpec {
  std::vector<Branch> branches;
  Fd work;  ///< overlay format with a writable top: an empty directory on the same file system
  bool read_only = false;
  bool no_suid = false;
  bool no_dev = false;
  bool no_exec = false;
  bool no_atime = false;
  /// Skips syncs: the upper is lost when the machine crashes ("volatile").
  bool expendable_upper = false;
  WhiteoutFormat whiteouts = WhiteoutFormat::Overlay;
  AufsSettings aufs;        ///< AUFS and the FUSE union; overlayfs has no such choices
  OverlaySettings overlay;  ///< overlayfs alone
  /// Overlayfs alone: directories below all branches whose files are seen only where a branch's
  /// redirect names them ("data-only").
  std::vector<Fd> data_directories = {};
};

}  // namespace layerkit
