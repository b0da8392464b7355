#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace layerkit {

/// Owners, by user or group ID, as a union shows them (fuse-overlayfs's uidmapping, squash_to_uid).
struct OwnerMapping {
  /// `count` IDs of the branches from `branch` on are shown as those from `shown` on.
  struct Range {
    std::uint32_t branch = 0;
    std::uint32_t shown = 0;
    std::uint32_t count = 0;

    bool operator==(const Range&) const = default;
  };
  std::vector<Range> ranges = {};               ///< none: every ID is shown as it is
  std::optional<std::uint32_t> everybody = {};  ///< the owner of all, whatever the ranges say

  /// What an ID that no range has is shown as (/proc/sys/kernel/overflowuid).
  static constexpr std::uint32_t kOverflow = 65534;

  bool is_identity() const noexcept { return ranges.empty() && !everybody; }
  /// How an ID of a branch is shown.
  std::uint32_t shown(std::uint32_t id) const noexcept;
  /// What a branch gets when the union is told `id`; none where no range leads there.
  std::optional<std::uint32_t> stored(std::uint32_t id) const noexcept;

  bool operator==(const OwnerMapping&) const = default;
};

}  // namespace layerkit
