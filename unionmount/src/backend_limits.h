#pragma once

#include <algorithm>
#include <string_view>

#include "layerkit/base/error.h"
#include "layerkit/unionmount/union_spec.h"

namespace layerkit {

/// Throws Error{Unsupported} for what only overlayfs can do, where going on without would show
/// other contents or owners.
inline void fail_if_overlay_only(const UnionSpec& spec, std::string_view backend) {
  const auto refuse = [&](std::string_view what) {
    fail(Errc::Unsupported, "{} has no {}, only overlayfs has", backend, what);
  };
  if (!spec.data_directories.empty()) refuse("directories of data alone (datadir)");
  if (spec.overlay.metacopy) refuse("files without their contents (metacopy=on)");
  if (spec.overlay.verity != OverlayVerity::Off) refuse("digests to check (verity)");
  const auto is_mapped = [](const Branch& branch) { return static_cast<bool>(branch.id_mapping); };
  if (std::any_of(spec.branches.begin(), spec.branches.end(), is_mapped))
    refuse("branches with mapped owners");
}

/// Throws Error{Unsupported} for owners that only the FUSE union can show.
inline void fail_if_owners_are_mapped(const UnionSpec& spec, std::string_view backend) {
  if (!spec.aufs.users.is_identity() || !spec.aufs.groups.is_identity())
    fail(Errc::Unsupported, "{} shows owners as they are, only a FUSE union maps them", backend);
}

}  // namespace layerkit
