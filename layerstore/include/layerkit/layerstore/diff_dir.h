#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "layerkit/base/fd.h"
#include "layerkit/layerstore/diff_format.h"
#include "layerkit/layerstore/layer_stream.h"
#include "layerkit/layerstore/layer_tree.h"

namespace layerkit {

/// Writes a layer into a diff directory so that mounting it on `lower` shows exactly what
/// applying the entries in turn to a copy of `lower` would give (OCI image spec, layer.md):
/// whiteouts of absent names leave nothing behind, missing parents take the lower's metadata,
/// parents that are symlinks are followed inside the root, hard links to lower files are copied up.
/// Whiteouts and opaque markers hide lower content only, wherever they stand among the entries.
///
/// An entry with Hides::Below is a marker: its path is the directory, its other fields are not
/// applied. A parent that neither an entry nor the lower view describes is 0755 0:0 at the epoch,
/// and so is the root. A hard link's attributes are applied to the file it links to. Throws
/// Error{Invalid} for what the entries cannot mean (a parent that is a file of the same layer, a
/// link to nothing, to a directory or to itself, a root that is not a directory, device 0:0).
///
/// Files of AUFS, `.wh..wh.plnk/NAME`, are kept aside for hard links that name them, and go with
/// `finish`. Devices that the user may not make are left out with a warning; they hide what is
/// below all the same.
class DiffWriter : public LayerWriter {
 public:
  /// The whole lower view is hidden (the layer's root is opaque): overlayfs must be given nothing
  /// below this directory. AUFS finds the mark on the root itself.
  virtual bool hides_everything_below() const noexcept = 0;
  /// Sum of the sizes of the regular files written, as `docker images` counts a layer.
  virtual std::uint64_t content_bytes() const noexcept = 0;
  /// The regular file in the diff directory that holds the contents of the entry added last, by
  /// its path there (symlinked parents resolved), or nullopt for other kinds. For the recipe.
  virtual std::optional<RelPath> last_file() const = 0;
};

/// Told that an object of the diff directory is about to be removed because a later entry of the
/// same layer replaces it, while it is still there. `path` has symlinked parents resolved; it may
/// be a directory, which then goes with all below it. Lets the store keep replaced contents.
using BeforeRemoval = std::function<void(const RelPath& path)>;

/// `diff` is an empty directory; `lower` is the merged view below, null for a base layer.
/// Directory times are set by `finish`. Needs CAP_MKNOD and friends of the owning user namespace.
/// A file is never rewritten in place: what replaces it is a new inode.
/// `before_removal` may be empty. More than `max_directories`, those that no entry names but only a
/// path included, are Error{Limit}.
std::unique_ptr<DiffWriter> make_diff_writer(Fd diff,
                                             std::shared_ptr<const LayerTree> lower,
                                             const Context& context,
                                             DiffFormat format,
                                             BeforeRemoval before_removal = {},
                                             std::uint64_t max_directories = 10'000'000);

/// What becomes of an object of the upper directory that is exactly as in the lower layers: it was
/// copied up and not changed in the end. A directory in which something changed is never dropped.
enum class Unchanged { Keep, Drop };
/// What becomes of names that start with ".wh.", which no layer can hold.
enum class ReservedNames { Refuse, DropWithWarning };

struct DiffReaderOptions {
  Unchanged unchanged = Unchanged::Keep;
  ReservedNames reserved_names = ReservedNames::Refuse;
};

/// Reads a union's upper directory as a layer on `lower` (null: a base layer): sorted bytewise,
/// parents before children, in each directory the opaque marker and the whiteouts first; hard links
/// kept within the layer, overlay's private xattrs and the metadata of AUFS dropped, sockets
/// skipped with a warning. Whiteouts and markers that hide nothing of `lower` are left out, and so
/// is the root when it is as in `lower`. What an overlay mount with redirect_dir or metacopy left
/// in the lower layers is copied from there: a renamed directory with all below it, each file as
/// one of its own.
///
/// Throws Error{Invalid} for names that start with ".wh." (unless told to drop them) and devices
/// 0:0, as far as the format can hold them, and for a redirect that leads nowhere; Error{Integrity}
/// that names a file whose size changes while it is read; Error{Unsupported} for a file of an
/// overlay mount with index=on that other names, which only lower layers have, share. Memory: the
/// names of the directories on the way to the current object, and one path for each file whose
/// other names are yet to come.
std::unique_ptr<LayerReader> make_diff_reader(Fd diff,
                                              std::shared_ptr<const LayerTree> lower,
                                              const Context& context,
                                              DiffFormat format,
                                              const DiffReaderOptions& options = {});

// The same for overlay directories.

using OverlayDiffWriter = DiffWriter;

inline std::unique_ptr<DiffWriter> make_overlay_diff_writer(
    Fd diff,
    std::shared_ptr<const LayerTree> lower,
    const Context& context,
    BeforeRemoval before_removal = {},
    OverlayXattrs space = OverlayXattrs::Trusted,
    std::uint64_t max_directories = 10'000'000) {
  return make_diff_writer(std::move(diff), std::move(lower), context, DiffFormat::overlay(space),
                          std::move(before_removal), max_directories);
}

inline std::unique_ptr<LayerReader> make_overlay_diff_reader(
    Fd diff,
    std::shared_ptr<const LayerTree> lower,
    const Context& context,
    OverlayXattrs space = OverlayXattrs::Trusted,
    const DiffReaderOptions& options = {}) {
  return make_diff_reader(std::move(diff), std::move(lower), context, DiffFormat::overlay(space),
                          options);
}

}  // namespace layerkit
