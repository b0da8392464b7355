#include "overlay_object.h"

#include <utility>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "overlay_xattrs.h"

namespace layerkit {
namespace {

/// A whiteout without a device node: an empty file with an xattr, in a directory that says so.
bool is_xattr_whiteout(int dir_fd, const FileStat& stat, OverlayXattrs space) {
  if (stat.type != FileType::Regular || stat.size != 0) return false;
  return read_xattr_at(dir_fd, ".", private_overlay_xattr(space, "opaque")) == "x";
}

/// Takes down what a private xattr says of a live object.
void take_note(const std::string& name, const std::string& value, OverlayNotes& notes) {
  if (name == "redirect") notes.redirect = value;
  if (name == "metacopy") notes.metacopy = true;
  if (name == "nlink") notes.nlink = value;
}

/// Sorts the stored xattrs into the entry's and overlayfs's own, which become `hides` and `notes`.
void decode_xattrs(const Xattrs& stored,
                   int dir_fd,
                   const FileStat& stat,
                   OverlayXattrs space,
                   Entry& to,
                   OverlayNotes& notes) {
  for (const auto& [key, value] : stored) {
    OverlayXattr meaning = read_overlay_xattr(space, key);
    if (!meaning.is_private) {
      to.xattrs.emplace(std::move(meaning.name), value);
    } else if (meaning.name == "opaque" && value == "y" && to.is_directory()) {
      to.hides = Hides::Below;
    } else if (meaning.name == "whiteout" && is_xattr_whiteout(dir_fd, stat, space)) {
      to = whiteout_of(to.path);
      notes = {};
      return;
    } else {
      take_note(meaning.name, value, notes);
    }
  }
}

void refuse_notes(const OverlayNotes& notes, const RelPath& path) {
  if (!notes.redirect && !notes.metacopy) return;
  fail(Errc::Unsupported, "reading {}: overlay {} is not supported here", quoted(path.absolute()),
       notes.redirect ? "redirect" : "metacopy");
}

}  // namespace

std::optional<DiffObject> read_overlay_object(int dir_fd,
                                              const std::string& name,
                                              const RelPath& path,
                                              OverlayXattrs space,
                                              OverlayNotes* notes) {
  const auto stat = stat_at(dir_fd, name);
  if (!stat) return std::nullopt;
  if (is_overlay_whiteout(stat->type, stat->device_major, stat->device_minor)) {
    return DiffObject{whiteout_of(path), *stat};
  }
  Entry entry = entry_of_stat(*stat, path);
  if (stat->type == FileType::Symlink) entry.symlink_target = read_link_at(dir_fd, name);
  OverlayNotes found;
  decode_xattrs(read_xattrs_at(dir_fd, name), dir_fd, *stat, space, entry, found);
  if (notes == nullptr) refuse_notes(found, path);
  if (notes != nullptr) *notes = std::move(found);
  return DiffObject{std::move(entry), *stat};
}

bool is_overlay_whiteout_at(int dir_fd, const std::string& name, OverlayXattrs space) {
  const auto stat = stat_at(dir_fd, name);
  if (!stat) return false;
  if (is_overlay_whiteout(stat->type, stat->device_major, stat->device_minor)) return true;
  if (stat->type != FileType::Regular || stat->size != 0) return false;
  return read_xattr_at(dir_fd, name, private_overlay_xattr(space, "whiteout")) &&
         is_xattr_whiteout(dir_fd, *stat, space);
}

}  // namespace layerkit
