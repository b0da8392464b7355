#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/entry.h"
#include "layerkit/base/file.h"
#include "layerkit/layerstore/diff_format.h"

namespace layerkit {

class LayerDir;

/// A name in a directory; in a single layer it may be that of a whiteout.
struct LayerName {
  std::string name;
  bool is_whiteout = false;
};

/// What a directory has under one name.
struct LayerChild {
  Entry entry;                                ///< as LayerTree::lookup gives it
  std::shared_ptr<const LayerDir> directory;  ///< set exactly when the entry is a directory
};

/// One directory of a tree, found once and then asked about its children. Must not outlive the
/// tree, which must not change meanwhile. Safe for concurrent readers.
class LayerDir {
 public:
  LayerDir() = default;
  LayerDir(const LayerDir&) = delete;
  LayerDir& operator=(const LayerDir&) = delete;
  virtual ~LayerDir() = default;

  virtual std::optional<LayerChild> find(std::string_view name) const = 0;
  /// Sorted bytewise.
  virtual std::vector<LayerName> list() const = 0;
};

class LayerTree;

/// Which file a name is: names with the same layer and number are one file.
struct FileIdentity {
  const LayerTree* layer = nullptr;  ///< the single layer that has it
  std::uint64_t number = 0;
  std::uint64_t links = 1;  ///< names that the layer has for it, hidden ones and lost ones included

  bool is_same_file(const FileIdentity& other) const noexcept {
    return layer == other.layer && number == other.number;
  }
};

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
  /// Which file stands at `path`; nullopt for what is no file with several names. REQUIRES: there
  /// is one that is not a directory.
  virtual std::optional<FileIdentity> identity(const RelPath& path) const = 0;
  /// The root, to go down from. The default asks `lookup` and `list`.
  virtual std::shared_ptr<const LayerDir> root_dir() const;
};

/// One diff directory, decoded. An opaque root is an ordinary one in an overlay directory, as for
/// the kernel. `lookup` throws Error{Unsupported} for overlay's redirect and metacopy, and
/// Error{Invalid} where AUFS gives EIO: an object and its whiteout, a whiteout that is no file.
std::shared_ptr<const LayerTree> make_diff_tree(Fd diff, DiffFormat format);

inline std::shared_ptr<const LayerTree> make_overlay_diff_tree(
    Fd diff, OverlayXattrs space = OverlayXattrs::Trusted) {
  return make_diff_tree(std::move(diff), DiffFormat::overlay(space));
}

/// Several layers as one: what applying all of them in turn does, `base_to_top[0]` first. Its names
/// and entries are those of a single layer, whiteouts and opaque directories included; one layer's
/// whiteout of what only another one of them has is still there.
std::shared_ptr<const LayerTree> make_stacked_layer(
    std::vector<std::shared_ptr<const LayerTree>> base_to_top);

/// What a mount of these layers shows, `base_to_top[0]` lowest. An empty list is an empty root.
/// It remembers which layers have the directories it was asked about: layers must not change while
/// it lives. So a lookup asks only the layers that have the parent, however many there are.
std::shared_ptr<const LayerTree> make_union_view(
    std::vector<std::shared_ptr<const LayerTree>> base_to_top);

}  // namespace layerkit
