#pragma once

#include <fcntl.h>
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "layerkit/base/fd.h"
#include "layerkit/base/whiteout.h"
#include "layerkit/unionmount/union_spec.h"
#include "private_area.h"

namespace layerkit {

/// A branch of a mounted union. Fields change under the exclusive tree lock only.
struct LiveBranch {
  int id = 0;             ///< stays when branches move
  std::size_t index = 0;  ///< its place, 0 is the top
  Fd root;                ///< O_PATH
  std::string path;
  BranchAccess access = BranchAccess::ReadOnly;
  BranchAttributes attributes;
  std::uint32_t file_system = 0;  ///< see InodeNumbers
  dev_t device = 0;
  /// Whether close(2) may tell of an error, as network file systems' does.
  bool fails_at_close = true;
  bool keeps_no_atime = false;                   ///< mounted with noatime
  WhiteoutFormat format = WhiteoutFormat::Aufs;  ///< what the union writes
  OverlayXattrs overlay_xattrs = OverlayXattrs::Trusted;
  std::unique_ptr<PrivateArea> area;  ///< writable branches

  bool writable() const noexcept { return access == BranchAccess::ReadWrite; }
  /// What to open with for reading: that leaves no trace on a branch that is not written to.
  int reading_flags() const noexcept { return writable() && !keeps_no_atime ? 0 : O_NOATIME; }
  /// Whether `.wh.` names of the branch are whiteouts.
  bool reads_whiteout_names() const noexcept { return attributes.whiteouts || writable(); }
  /// Whether overlay's 0:0 devices and opaque xattrs of the branch count.
  bool reads_overlay_whiteouts() const noexcept {
    return !writable() || format == WhiteoutFormat::Overlay;
  }
  /// The longest name that can be made: a whiteout must be able to hide it.
  std::size_t name_max() const noexcept {
    return format == WhiteoutFormat::Aufs ? 255 - kWhiteoutPrefix.size() : 255;
  }
};

}  // namespace layerkit
