#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "layerkit/base/context.h"
#include "layerkit/base/digest.h"
#include "layerkit/base/rel_path.h"
#include "layerkit/imagetool/image_source.h"

namespace layerkit {

/// How a layer hides what lies below it.
enum class HidingKind : std::uint8_t { Whiteout, Opaque, Replaced };
/// "whiteout", "opaque directory", "replaced".
std::string_view hiding_text(HidingKind kind) noexcept;

struct Hiding {
  std::size_t layer = 0;
  HidingKind kind = HidingKind::Replaced;
};

/// A file that no name of the image leads to any more.
struct HiddenFile {
  std::size_t layer = 0;   ///< that brought it
  std::uint64_t size = 0;  ///< bytes
  Hiding hiding;           ///< of its last name
};

/// What one path costs although it is not seen.
struct HiddenPath {
  RelPath path;
  std::uint64_t bytes = 0;
  std::vector<HiddenFile> files;  ///< base first
};

/// Files with the same contents.
struct DuplicateFiles {
  std::uint64_t size = 0;      ///< of each
  std::uint64_t count = 0;     ///< names of one file count once
  std::vector<RelPath> paths;  ///< the first ones, sorted; at most kMaxDuplicatePaths
  std::uint64_t wasted_bytes() const noexcept { return (count - 1) * size; }
};
inline constexpr std::size_t kMaxDuplicatePaths = 16;

/// Figures as dive counts them: by the paths that stand in the layers' tars, directories that have
/// something in them left out.
struct LayerEfficiency {
  /// The smallest sizes of all paths by the sums of their sizes; a whiteout of a directory has the
  /// size of what it removes, any other one 0.
  double score = 1;
  /// Of the paths that stand in more than one layer: all sizes together.
  std::uint64_t wasted_bytes = 0;
};

struct ImageWaste {
  std::uint64_t layer_bytes = 0;           ///< of all files of all layers' tars
  std::uint64_t base_bytes = 0;            ///< of the first layer's
  std::uint64_t shown_bytes = 0;           ///< of the files that the image shows
  std::uint64_t hidden_bytes = 0;          ///< of files that later layers hide
  std::uint64_t overwritten_bytes = 0;     ///< of what the same layer writes again or drops
  std::uint64_t duplicate_bytes = 0;       ///< of shown files beyond the first with their contents
  std::vector<HiddenPath> hidden;          ///< those that cost most, the dearest first
  std::vector<DuplicateFiles> duplicates;  ///< likewise
  LayerEfficiency efficiency;

  /// What the image would be smaller by if it were one layer.
  std::uint64_t wasted_bytes() const noexcept { return hidden_bytes + overwritten_bytes; }
};

/// Reads every layer's tar (and so verifies it) and the contents of files that share their size
/// with another one. `top`: how many paths to name of each kind. Memory: the names of the
/// directories on the way to a path, a record for each file whose other names are yet to come, and
/// what is named; all else is sorted in nameless files.
ImageWaste find_waste(ImageSource& source, std::size_t top, const Context& context);

}  // namespace layerkit
