#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layerkit/base/whiteout.h"
#include "layerkit/unionmount/union_spec.h"
#include "mount_api.h"

namespace layerkit {

/// OVL_MAX_STACK of the kernel.
inline constexpr std::size_t kMaxOverlayLowers = 500;

/// One directory of an overlay; the descriptor stays the spec's.
struct OverlayLayer {
  std::size_t branch;  ///< its place in the spec, for errors
  int fd;
};

/// What happens where the kernel does not know an option.
enum class OptionNeed {
  Required,    ///< Error{Unsupported}
  WhereKnown,  ///< nothing: the kernel without the option does what it would say
};

struct OverlayOption {
  std::string key;
  std::string value;  ///< empty: a flag
  OptionNeed need = OptionNeed::Required;
};

/// A union in overlayfs's words, checked against the rules that the kernel states nowhere.
struct OverlayPlan {
  std::vector<OverlayLayer> lowers;  ///< nearest first
  std::vector<int> data_fds;         ///< directories of data alone, below them
  std::optional<OverlayLayer> upper;
  int work_fd = -1;
  std::vector<OverlayOption> options;
  MountAttributes attributes;
};

/// REQUIRES: `spec` outlives the plan and has at least two branches, data directories counted.
/// Throws Error{Limit} above kMaxOverlayLowers, Error{Unsupported} for a writable branch that is
/// not the top or has its owners mapped, Error{Invalid} for a writable top without a work
/// directory, data directories without a branch to name their files, and settings that exclude each
/// other.
OverlayPlan plan_overlay(const UnionSpec& spec, OverlayXattrs xattrs);

/// "key=value", or "key".
std::string option_text(const OverlayOption& option);

/// The settings as the kernel takes them, all of them said. Throws Error{Invalid}.
std::vector<OverlayOption> overlay_options(const OverlaySettings& settings, OverlayXattrs xattrs);

/// The plan as the data argument of mount(2), every directory by its descriptor's number, which is
/// its name in /proc/self/fd: as short as names get, so that a page holds 500 of them. Options that
/// not every kernel knows are left out unless they are required: nothing can be tried here. Throws
/// Error{Limit} when it does not fit `max_bytes` (the kernel would cut it without a word).
std::string overlay_mount_data(const OverlayPlan& plan, std::size_t max_bytes);

/// Where overlayfs can keep its xattrs, told from the text of /proc/self/uid_map: "trusted." needs
/// privilege in the initial user namespace, the only one that maps every ID to itself
/// (user_namespaces(7)).
OverlayXattrs usable_overlay_xattrs(std::string_view uid_map);

}  // namespace layerkit
