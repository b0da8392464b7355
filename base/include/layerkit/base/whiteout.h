#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "layerkit/base/entry.h"

namespace layerkit {

// The only place that knows how layers say "not here": `.wh.` names (tar archives and AUFS
// branches; OCI image spec, layer.md, "Representing Changes") and overlayfs's 0:0 devices and
// xattrs (kernel Documentation/filesystems/overlayfs.rst).

inline constexpr std::string_view kWhiteoutPrefix = ".wh.";
inline constexpr std::string_view kOpaqueName = ".wh..wh..opq";
inline constexpr std::string_view kAufsMetadataPrefix = ".wh..wh.";
/// In the root of an AUFS branch: files with several names, each under a name of its own.
inline constexpr std::string_view kAufsLinkDirectory = ".wh..wh.plnk";
/// Where a union keeps the like of a branch of overlay's format: in its work directory.
inline constexpr std::string_view kUnionDirectory = "aufs";
inline constexpr std::string_view kUnionLinkDirectory = "links";

enum class WhiteoutNameKind {
  None,          ///< an ordinary name
  Whiteout,      ///< `.wh.NAME` hides NAME
  Opaque,        ///< `.wh..wh..opq`
  AufsMetadata,  ///< another `.wh..wh.*`: AUFS's own files, never content
};

struct WhiteoutName {
  WhiteoutNameKind kind = WhiteoutNameKind::None;
  std::string_view hidden;  ///< Whiteout only: the name that is hidden; points into the argument
};

/// Reads one path component. Throws Error{Invalid} for a whiteout of nothing, "." or ".."
/// (`.wh.`, `.wh..`, `.wh...`).
WhiteoutName decode_whiteout_name(std::string_view component);

/// True for `.wh..wh.plnk/NAME`: no part of the layer, but hard links of the layer may name it.
bool is_aufs_link(const RelPath& path) noexcept;

/// ".wh." + name. Throws Error{Invalid} when `name` itself starts with ".wh.": such a whiteout
/// could not be told from AUFS metadata.
std::string encode_whiteout_name(std::string_view name);

/// Overlayfs's private xattrs live under one of two prefixes, by mount option.
enum class OverlayXattrs {
  Trusted,  ///< "trusted.overlay."
  User,     ///< "user.overlay.": mounts with the option userxattr
};

/// "trusted.overlay." or "user.overlay.".
std::string_view overlay_xattr_prefix(OverlayXattrs space) noexcept;

/// True for a node that overlayfs takes for a whiteout: a character device 0:0.
bool is_overlay_whiteout(FileType type,
                         std::uint32_t device_major,
                         std::uint32_t device_minor) noexcept;

/// The name an xattr gets in an overlay diff directory so that a mount shows `name`: names in
/// either overlay space gain one more "overlay." (kernel 6.7: "xattr escaping"), others are kept.
std::string escape_overlay_xattr(std::string_view name);

/// What a stored xattr of an overlay diff directory means.
struct OverlayXattr {
  bool is_private =
      false;         ///< overlayfs's own (opaque, redirect, origin, ...): `name` is its suffix
  std::string name;  ///< otherwise the name a mount shows
};
OverlayXattr decode_overlay_xattr(std::string_view stored_name);

}  // namespace layerkit
