#pragma once

#include "layerkit/base/whiteout.h"

namespace layerkit {

/// How a diff directory says what a directory tree has no words for: what it hides of the layers
/// below, and extended attributes whose names the union file system has taken. A value.
class DiffFormat {
 public:
  /// For overlayfs: 0:0 devices, the xattr "opaque", names of xattrs escaped. `space` is where the
  /// mount that will use the directory keeps overlayfs's private xattrs (option userxattr: User);
  /// names in the other space are data to it. The mark on the root of a layer is ignored.
  static constexpr DiffFormat overlay(OverlayXattrs space = OverlayXattrs::Trusted) noexcept {
    return {Union::Overlay, space};
  }
  /// For AUFS: files `.wh.NAME` and `.wh..wh..opq`, also in the root; all xattrs are data. Names
  /// that start with ".wh." cannot be stored.
  static constexpr DiffFormat aufs() noexcept { return {Union::Aufs, OverlayXattrs::Trusted}; }

  constexpr bool is_aufs() const noexcept { return union_ == Union::Aufs; }
  /// Of an overlay directory.
  constexpr OverlayXattrs overlay_xattrs() const noexcept { return space_; }

  friend constexpr bool operator==(DiffFormat, DiffFormat) noexcept = default;

 private:
  enum class Union { Overlay, Aufs };
  constexpr DiffFormat(Union kind, OverlayXattrs space) noexcept : union_(kind), space_(space) {}

  Union union_;
  OverlayXattrs space_;
};

}  // namespace layerkit
