#pragma once

#include <optional>

namespace layerkit {

/// What overlayfs does about a directory that lies on a lower branch and is renamed
/// ("redirect_dir").
enum class OverlayRedirect {
  Off,       ///< EXDEV; whether earlier redirects are followed is a module parameter's choice
  Follow,    ///< EXDEV; earlier redirects are followed
  NoFollow,  ///< EXDEV; a directory with a redirect cannot be entered
  On,        ///< the upper directory gets a redirect, and redirects are followed
};

/// How inode numbers of several file systems are kept apart ("xino").
enum class OverlayXino { Off, Auto, On };

/// Which UUID the file system has ("uuid").
enum class OverlayUuid {
  Null,  ///< none
  Off,   ///< none, and those of the branches are not looked at either
  Auto,  ///< one of its own, kept in an xattr of a new upper directory
  On,    ///< one of its own in any case
};

/// Whether fs-verity digests that a lower branch names are checked ("verity").
enum class OverlayVerity {
  Off,
  On,       ///< where there is one
  Require,  ///< every file has to have one
};

/// Overlayfs's choices (Documentation/filesystems/overlayfs.rst of the kernel). By default an upper
/// directory is one that everybody can read: no file's contents, name or link count depends on an
/// xattr or on a directory of overlayfs's own. A kernel that lacks what is asked for here gives
/// Error{Unsupported}; what it falls back from because of the branches' file systems it only logs.
struct OverlaySettings {
  std::optional<OverlayRedirect> redirect_dir = {};  ///< unset: NoFollow, with `metacopy` On
  std::optional<OverlayXino> xino = {};              ///< unset: Off
  /// Unset: Null where the kernel knows it, not with `nfs_export`.
  std::optional<OverlayUuid> uuid = {};
  OverlayVerity verity = OverlayVerity::Off;
  bool metacopy = false;     ///< a change of attributes alone copies no contents up
  bool index = false;        ///< hard links stay together when one is copied up
  bool nfs_export = false;   ///< file handles; needs `index`
  bool user_xattrs = false;  ///< "userxattr"; so in a user namespace without being asked

  bool operator==(const OverlaySettings&) const = default;
};

}  // namespace layerkit
