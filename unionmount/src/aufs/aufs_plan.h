#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layerkit/unionmount/union_spec.h"
#include "mount_api.h"

namespace layerkit {

/// A union in the words of the kernel's AUFS. Branches are named by descriptor (/proc/self/fd/N),
/// which no path can upset.
struct AufsPlan {
  std::string mount_data;                 ///< settings, and as many branches as fit
  std::vector<std::string> remount_data;  ///< the rest, appended in this order
  MountAttributes attributes;
};

/// AUFS keeps the options of one call as records in a page, about 48 bytes each.
inline constexpr std::size_t kMaxAufsOptions = 64;

/// REQUIRES: `spec` outlives the use of the plan.
/// No data is longer than `max_bytes` or has more than kMaxAufsOptions options and branches. A
/// union without a writable branch is read-only. Throws Error{Invalid} without branches,
/// Error{Unsupported} for whiteouts of overlayfs and a path that cannot be written,
/// Error{Limit} when the settings leave no room for a branch.
AufsPlan plan_aufs(const UnionSpec& spec, std::size_t max_bytes);

/// Which branch a message of the kernel is about, told by its descriptor.
std::optional<std::size_t> branch_named_in(std::string_view message, const UnionSpec& spec);

/// Whether the text of /proc/filesystems lists the type.
bool lists_file_system(std::string_view file_systems, std::string_view type);

}  // namespace layerkit
