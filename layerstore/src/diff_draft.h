#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "draft_arena.h"
#include "draft_dir.h"
#include "draft_files.h"
#include "layerkit/base/entry.h"
#include "layerkit/layerstore/diff_format.h"
#include "layerkit/layerstore/layer_tree.h"

namespace layerkit {

/// A layer under construction, together with the lower view it will cover: what a path is right
/// now, in this layer and below it. Directories are made when something is put into them. Not
/// thread-safe.
class DiffDraft {
 public:
  /// `arena` and `files` must outlive it; `files` holds nothing yet. `lower` may be null: an empty
  /// root. `format` says which names are not free.
  DiffDraft(DraftArena& arena,
            DraftFiles& files,
            std::shared_ptr<const LayerTree> lower,
            DiffFormat format,
            std::uint64_t max_directories);

  DraftDir& root() noexcept { return root_; }
  /// To be called between steps of work.
  void tidy() { arena_.tidy(); }
  DraftFiles& files() noexcept { return files_; }

  /// The child of that name, added (nowhere but in memory) when it is not known yet. Throws
  /// Error{Invalid} for a name that the format keeps for itself.
  DraftDir& add_child(DraftDir& dir, std::string_view name);

  Below below(DraftDir& dir);
  /// The lower view's object of that name, hidden or not by this layer's own object or whiteout;
  /// nullopt where the directory does not show the lower view.
  std::optional<Entry> lower_at(DraftDir& dir, std::string_view name);
  /// Whether the lower view has anything at this directory's place that its parent would show.
  bool covers_lower(DraftDir& dir) { return !dir.is_root() && lower_at(*dir.parent, dir.name); }
  /// Which object, not a directory, this layer has under that name.
  std::optional<FileType> file_at(DraftDir& dir, std::string_view name) {
    return dir.made ? files_.type_at(dir, name) : std::nullopt;
  }
  const std::shared_ptr<const LayerTree>& lower() const noexcept { return lower_; }
  /// The lower view's attributes of a directory for which below() is Merged or Emptied.
  DirAttributes lower_attributes(const RelPath& path) const;

  /// Makes `dir` and its parents part of the layer.
  void claim(DraftDir& dir);
  /// The lower view's object at this name, if it is a directory, must not show through `dir`.
  void replace_lower(DraftDir& dir);
  /// An opaque marker: hides the lower view's children of `dir`.
  void empty(DraftDir& dir);
  /// A whiteout: hides the lower view's object of that name. False when nothing changed.
  bool white_out(DraftDir& dir, std::string_view name);
  /// Removes a directory of the layer with everything below, made ones too.
  void remove_child(DraftDir& dir, std::string_view name);
  /// Removes a file of the layer.
  void remove_file(DraftDir& dir, std::string_view name);

 private:
  void hide_children(DraftDir& dir);
  void erase_child(DraftDir& dir, std::string_view name);
  void free_dir(DraftDir* dir);

  DraftArena& arena_;
  DraftFiles& files_;
  std::shared_ptr<const LayerTree> lower_;
  DiffFormat format_;
  std::uint64_t max_directories_;
  std::uint64_t directories_ = 0;  ///< known so far, made or not
  DraftDir& root_;  ///< never destroyed: it goes with the arena, without a walk through it
};

}  // namespace layerkit
