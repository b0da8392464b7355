#include "layerkit/unionmount/owner_mapping.h"

namespace layerkit {

std::uint32_t OwnerMapping::shown(std::uint32_t id) const noexcept {
  if (everybody) return *everybody;
  if (ranges.empty()) return id;
  for (const Range& range : ranges)
    if (id >= range.branch && id - range.branch < range.count)
      return range.shown + (id - range.branch);
  return kOverflow;
}

std::optional<std::uint32_t> OwnerMapping::stored(std::uint32_t id) const noexcept {
  if (everybody) return everybody;
  if (ranges.empty()) return id;
  for (const Range& range : ranges)
    if (id >= range.shown && id - range.shown < range.count)
      return range.branch + (id - range.shown);
  return std::nullopt;
}

}  // namespace layerkit
