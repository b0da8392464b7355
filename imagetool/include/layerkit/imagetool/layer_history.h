#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "layerkit/base/context.h"
#include "layerkit/imagetool/image_source.h"

namespace layerkit {

/// What one layer does to those below it.
struct LayerSummary {     // NOLINT(cppcoreguidelines-pro-type-member-init): digests have no default
  std::size_t index = 0;  ///< from 0, base first
  DiffId diff_id;
  std::string created = {};     ///< RFC 3339, as the history has it; may be empty
  std::string created_by = {};  ///< likewise
  std::uint64_t tar_size = 0;   ///< bytes of the uncompressed tar
  std::uint64_t size = 0;       ///< bytes of the regular files among its entries
  std::uint64_t entries = 0;    ///< of the tar, whiteouts and markers included
  std::uint64_t added = 0;      ///< objects that were not there below
  std::uint64_t changed = 0;    ///< objects that replace one, directories with other attributes
  std::uint64_t removed = 0;    ///< names that are gone: a directory counts as one
};

/// Reads each layer's tar to its end (and so verifies it), base first.
std::vector<LayerSummary> summarize_layers(ImageSource& source, const Context& context);

/// What a layer did at one path.
enum class PathEvent { Added, Changed, Rewritten, Removed };
std::string_view path_event_text(PathEvent event) noexcept;

/// One layer's part in the story of a path.
struct PathVersion {
  std::size_t layer = 0;
  PathEvent event = PathEvent::Added;
  /// What is seen at the path with this layer; nullopt when it was removed.
  std::optional<Entry> entry;
  /// Of Changed: "mode", "owner", "mtime", "size", "contents", "type", "target", "device",
  /// "xattrs"; of single layers "opaque", too.
  std::vector<std::string> changes;
  /// Of Removed: where the whiteout, the opaque directory or the object stands that hides it.
  RelPath hidden_by;
  /// Of Removed: "whiteout", "opaque directory" or "replaced by a …".
  std::string how;
};

/// What every layer did at `path` (literal: no symlink is followed), base first; layers that did
/// nothing are left out. Contents are compared where nothing else differs.
std::vector<PathVersion> path_versions(ImageSource& source,
                                       const RelPath& path,
                                       const Context& context);

/// In what two objects, neither a directory's contents, differ: the words of PathVersion::changes,
/// without "contents".
std::vector<std::string> entry_changes(const Entry& before, const Entry& after);

/// Created and created-by of each layer, base first.
std::vector<HistoryStep> layer_steps(const Image& image);

}  // namespace layerkit
