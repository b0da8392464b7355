#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "draft_arena.h"
#include "draft_dir.h"
#include "layerkit/base/entry.h"
#include "layerkit/base/fd.h"
#include "layerkit/base/root_dir.h"
#include "layerkit/layerstore/diff_format.h"
#include "layerkit/layerstore/layer_tree.h"

namespace layerkit {

/// A diff directory under construction, together with the lower view it will cover: what
/// a path is right now, in this layer and below it. Directories are made on disk when something
/// is put into them. Not thread-safe.
class DiffDraft {
 public:
  /// `lower` may be null: an empty root.
  DiffDraft(Fd diff,
            std::shared_ptr<const LayerTree> lower,
            DiffFormat format,
            std::uint64_t max_directories);

  DraftDir& root() noexcept { return root_; }
  /// To be called between steps of work.
  void tidy() { arena_.tidy(); }
  const RootDir& disk() const noexcept { return disk_; }

  RelPath path(const DraftDir& dir) const;
  RelPath path(const DraftDir& dir, std::string_view name) const { return path(dir) / name; }

  /// Descriptor of the directory, made on disk when it is not yet. Stays open at least until the
  /// third next call.
  int fd(DraftDir& dir);
  /// Makes the directory on disk; its parents too. False when a file of the layer is in the way.
  bool make_on_disk(DraftDir& dir);
  /// The child of that name, added (nowhere but in memory) when it is not known yet. Throws
  /// Error{Invalid} for a name that the format keeps for itself.
  DraftDir& add_child(DraftDir& dir, std::string_view name);

  Below below(DraftDir& dir);
  /// The lower view's object of that name, hidden or not by this layer's own object or whiteout;
  /// nullopt where the directory does not show the lower view.
  std::optional<Entry> lower_at(DraftDir& dir, std::string_view name);
  /// Whether the lower view has anything at this directory's place that its parent would show.
  bool covers_lower(DraftDir& dir) { return !dir.is_root() && lower_at(*dir.parent, dir.name); }
  /// This layer's object of that name that is on disk and not a directory.
  std::optional<FileStat> file_at(DraftDir& dir, std::string_view name);
  std::unique_ptr<ByteSource> open_lower(const RelPath& path) const { return lower_->open(path); }
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
  /// Removes a directory of the layer with everything below, on disk too.
  void remove_child(DraftDir& dir, std::string_view name);
  /// Removes a file of the layer.
  void remove_file(DraftDir& dir, std::string_view name);

 private:
  struct OpenDir {
    const DraftDir* dir = nullptr;
    Fd fd;
    std::uint64_t last_use = 0;
  };

  OpenDir* find_open(const DraftDir& dir);
  void hide_children(DraftDir& dir);
  void erase_child(DraftDir& dir, std::string_view name);
  void free_dir(DraftDir* dir);
  void forget_descriptors(const DraftDir& dir);

  RootDir disk_;
  std::shared_ptr<const LayerTree> lower_;
  DiffFormat format_;
  std::uint64_t max_directories_;
  std::uint64_t directories_ = 0;  ///< made so far, in memory at least
  DraftArena arena_;
  DraftDir& root_;  ///< never destroyed: it goes with the arena, without a walk through it
  std::array<OpenDir, 8> open_;
  std::uint64_t uses_ = 0;
};

}  // namespace layerkit
