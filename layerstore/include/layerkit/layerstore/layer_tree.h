#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/entry.h"
#include "layerkit/base/file.h"
#include "layerkit/layerstore/diff_format.h"

namespace layerkit {

/// Random access to one layer, or to a union of layers: a union of trees is a tree.
/// Paths are literal: no symlink is followed. Safe for concurrent readers.
class LayerTree {
 public:
  LayerTree() = default;
  LayerTree(const LayerTree&) = delete;
  LayerTree& operator=(const LayerTree&) = delete;
  virtual ~LayerTree() = default;

  /// The object at `path`; the root always exists. In a single layer the answer may be a whiteout
  /// or an opaque directory: unlike in a stream, that is one entry with the directory's attributes
  /// and Hides::Below. A union answers with what a mount shows, Hides::Nothing.
  /// `xattrs` are filled; a hard link is reported as the regular file it is.
  virtual std::optional<Entry> lookup(const RelPath& path) const = 0;
  /// Names in the directory at `path`, sorted bytewise; whiteouts included in a single layer,
  /// never in a union. Throws Error{NotFound} when `path` is not a directory.
  virtual std::vector<std::string> list(const RelPath& path) const = 0;
  /// True when this layer does not let lower layers show through at `path` and below: there or
  /// above stands a whiteout, an opaque directory or an object that is no directory. Asked of
  /// single layers; the default asks `lookup` about every component.
  virtual bool hides_lower(const RelPath& path) const;
  /// Contents of the regular file at `path`. Throws Error{NotFound} when there is none.
  virtual std::unique_ptr<ByteSource> open(const RelPath& path) const = 0;
};

/// One diff directory, decoded. An opaque root is an ordinary one in an overlay directory, as for
/// the kernel. `lookup` throws Error{Unsupported} for overlay's redirect and metacopy, and
/// Error{Invalid} where AUFS gives EIO: an object and its whiteout, a whiteout that is no file.
std::shared_ptr<const LayerTree> make_diff_tree(Fd diff, DiffFormat format);

inline std::shared_ptr<const LayerTree> make_overlay_diff_tree(
    Fd diff, OverlayXattrs space = OverlayXattrs::Trusted) {
  return make_diff_tree(std::move(diff), DiffFormat::overlay(space));
}

/// What a mount of these layers shows, `base_to_top[0]` lowest. An empty list is an empty root.
std::shared_ptr<const LayerTree> make_union_view(
    std::vector<std::shared_ptr<const LayerTree>> base_to_top);

}  // namespace layerkit
