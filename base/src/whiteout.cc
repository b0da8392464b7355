#include "layerkit/base/whiteout.h"

#include <array>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

constexpr std::array<std::string_view, 2> kOverlayPrefixes = {"trusted.overlay.", "user.overlay."};
constexpr std::string_view kEscape = "overlay.";

/// The overlay prefix that `name` starts with, or an empty view.
std::string_view overlay_prefix_of(std::string_view name) {
  for (const std::string_view prefix : kOverlayPrefixes) {
    if (name.starts_with(prefix)) return prefix;
  }
  return {};
}

}  // namespace

WhiteoutName decode_whiteout_name(std::string_view component) {
  if (!component.starts_with(kWhiteoutPrefix)) return {};
  if (component == kOpaqueName) return {WhiteoutNameKind::Opaque, {}};
  if (component.starts_with(kAufsMetadataPrefix)) return {WhiteoutNameKind::AufsMetadata, {}};
  const std::string_view hidden = component.substr(kWhiteoutPrefix.size());
  if (hidden.empty() || hidden == "." || hidden == "..") {
    fail(Errc::Invalid, "reading whiteout {}: it names no file", quoted(component));
  }
  return {WhiteoutNameKind::Whiteout, hidden};
}

bool is_aufs_link(const RelPath& path) noexcept {
  std::string_view rest = path.str();
  if (!rest.starts_with(kAufsLinkDirectory)) return false;
  rest.remove_prefix(kAufsLinkDirectory.size());
  if (!rest.starts_with('/')) return false;
  rest.remove_prefix(1);
  return rest.find('/') == std::string_view::npos && !rest.starts_with(kWhiteoutPrefix);
}

std::string encode_whiteout_name(std::string_view name) {
  if (name.starts_with(kWhiteoutPrefix)) {
    fail(Errc::Invalid, "writing a whiteout of {}: the name is reserved", quoted(name));
  }
  return std::string(kWhiteoutPrefix).append(name);
}

std::string_view overlay_xattr_prefix(OverlayXattrs space) noexcept {
  return space == OverlayXattrs::Trusted ? kOverlayPrefixes[0] : kOverlayPrefixes[1];
}

bool is_overlay_whiteout(FileType type,
                         std::uint32_t device_major,
                         std::uint32_t device_minor) noexcept {
  return type == FileType::CharDevice && device_major == 0 && device_minor == 0;
}

std::string escape_overlay_xattr(std::string_view name) {
  const std::string_view prefix = overlay_prefix_of(name);
  if (prefix.empty()) return std::string(name);
  return std::string(prefix).append(kEscape).append(name.substr(prefix.size()));
}

OverlayXattr decode_overlay_xattr(std::string_view stored_name) {
  const std::string_view prefix = overlay_prefix_of(stored_name);
  if (prefix.empty()) return {false, std::string(stored_name)};
  const std::string_view suffix = stored_name.substr(prefix.size());
  if (!suffix.starts_with(kEscape)) return {true, std::string(suffix)};
  return {false, std::string(prefix).append(suffix.substr(kEscape.size()))};
}

}  // namespace layerkit
