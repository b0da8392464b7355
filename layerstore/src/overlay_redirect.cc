#include "overlay_redirect.h"

#include <algorithm>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

bool is_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('\0') == std::string_view::npos;
}

}  // namespace

RelPath redirect_target(std::string_view redirect, const std::optional<RelPath>& parent) {
  const bool absolute = redirect.starts_with('/');
  const auto names = split(absolute ? redirect.substr(1) : redirect, '/');
  const bool single = absolute || names.size() == 1;
  if (!single || !std::all_of(names.begin(), names.end(), is_name)) {
    fail(Errc::Invalid,
         "following its overlay redirect {}: it is neither an absolute path nor a "
         "name",
         quoted(redirect));
  }
  if (absolute) return RelPath::parse(redirect);
  if (!parent) {
    fail(Errc::Invalid, "following its overlay redirect {}: no lower layer has its directory",
         quoted(redirect));
  }
  return *parent / redirect;
}

std::optional<std::uint64_t> noted_link_count(const OverlayNotes& notes,
                                              std::uint64_t upper_links) {
  if (!notes.nlink || notes.nlink->size() < 3 || !notes.nlink->starts_with('U')) {
    return std::nullopt;
  }
  const char sign = notes.nlink->at(1);
  const auto difference = parse_decimal(std::string_view(*notes.nlink).substr(2));
  if (!difference || *difference > UINT32_MAX) return std::nullopt;
  if (sign == '+') return upper_links + *difference;
  if (sign == '-' && *difference <= upper_links) return upper_links - *difference;
  return std::nullopt;
}

}  // namespace layerkit
