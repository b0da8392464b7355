#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/entry.h"
#include "layerkit/base/file.h"
#include "layerkit/base/root_dir.h"
#include "layerkit/layerstore/diff_format.h"
#include "layerkit/layerstore/layer_tree.h"
#include "name_list.h"
#include "overlay_redirect.h"

namespace layerkit {

/// One object of a diff directory: what it says as an entry (a whiteout; an opaque directory has
/// Hides::Below), and what the file system says about it.
struct DiffObject {
  Entry entry;
  FileStat stat;
};

/// What one directory of a layer has; all lists are sorted.
struct DiffNames {
  NameList objects;
  NameList hidden;    ///< names of lower layers that are whited out
  NameList reserved;  ///< objects under names that no layer can hold
};

/// Reads `name` in the open directory; `path` goes into the entry. nullopt when absent.
/// `notes` gets what overlayfs noted on it; null: Error{Unsupported} for redirect and metacopy, of
/// which the rest is elsewhere.
std::optional<DiffObject> read_diff_object(int dir_fd,
                                           const std::string& name,
                                           const RelPath& path,
                                           DiffFormat format,
                                           OverlayNotes* notes = nullptr);
/// The diff directory itself. Overlayfs ignores an opaque root, and so does this; AUFS does not.
DiffObject read_diff_root(int root_fd, DiffFormat format);

/// `path` is the directory's.
DiffNames read_diff_names(int dir_fd, const RelPath& path, DiffFormat format);
/// The same in one sorted list, at less cost: what is whited out is not told from what is there.
std::vector<std::string> list_diff_names(int dir_fd, DiffFormat format);

/// Whether `name` is whited out.
bool is_whiteout_at(int dir_fd, const std::string& name, DiffFormat format);
/// Whether the directory does not show the lower layers' children.
bool is_opaque_dir(int dir_fd, DiffFormat format);
/// True for names that the format keeps for itself: they are no objects of the layer.
bool is_reserved_name(std::string_view name, DiffFormat format) noexcept;

/// The name on disk of an xattr that a mount shall show as `name`.
std::string stored_xattr_name(const std::string& name, DiffFormat format);

/// The directory at the literal `path`; nullopt when there is none: nothing at all, or a symlink
/// or file at it or on the way.
std::optional<Fd> open_literal_dir(const RootDir& root, const RelPath& path, int flags);

/// Contents of the regular file `name`; a file that was swapped for something else is never
/// opened for real. `size` is how many bytes it must have; unset: as many as it has now.
std::unique_ptr<ByteSource> open_contents(int dir_fd,
                                          const std::string& name,
                                          const RelPath& path,
                                          std::optional<std::uint64_t> size = std::nullopt);

/// Of the file in the diff directory of `layer`. Throws Error{NotFound} when it is not there.
std::optional<FileIdentity> identity_at(const LayerTree& layer, int dir_fd, const RelPath& path);

/// What the file system tells of an object; neither its symlink target nor its xattrs.
Entry entry_of_stat(const FileStat& stat, const RelPath& path);
Entry whiteout_of(const RelPath& path);

}  // namespace layerkit
