#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "diff_draft.h"
#include "diff_resolver.h"
#include "layerkit/layerstore/diff_dir.h"
#include "tally.h"

namespace layerkit {

/// Applies the entries of a layer, one after the other, to a draft on a lower view: what DiffWriter
/// promises, wherever the draft's objects are. Not thread-safe.
class LayerApplier final : public DiffWriter {
 public:
  /// `arena` and `files` must outlive it. Names that `format` keeps for itself are refused.
  LayerApplier(DraftArena& arena,
               DraftFiles& files,
               std::shared_ptr<const LayerTree> lower,
               const Context& context,
               const BeforeRemoval& before_removal,
               DiffFormat format,
               std::uint64_t max_directories)
      : context_(context),
        before_removal_(before_removal),
        format_(format),
        files_(files),
        draft_(arena, files, std::move(lower), format, max_directories),
        resolver_(draft_) {}

  DraftDir& root() noexcept { return draft_.root(); }

  void add(const Entry& entry, ByteSource& contents) override;
  void finish() override;

  bool hides_everything_below() const noexcept override { return root_is_opaque_; }
  std::uint64_t content_bytes() const noexcept override { return content_bytes_; }
  std::optional<RelPath> last_file() const override {
    if (last_aside_) return last_aside_;
    if (last_file_.first == nullptr) return std::nullopt;
    return path_of(*last_file_.first, last_file_.second);
  }

 private:
  void add_entry(const Entry& entry, ByteSource& contents);
  void add_whiteout(const RelPath& path);
  void add_opaque(const RelPath& path);
  void add_directory(const Entry& entry);
  void add_file(const Entry& entry, ByteSource& contents);
  void add_hard_link(const Entry& entry);

  void add_aside(const Entry& entry, ByteSource& contents);
  DraftDir& find_link_target(const RelPath& target);
  void link_to(const std::function<bool()>& link,
               const Entry& entry,
               DraftDir& parent,
               const std::string& name);
  void copy_up(DraftDir& dir, const std::string& name, const Entry& lower);
  /// Makes the name free for a new object that is not a directory.
  void make_room(DraftDir& dir, const std::string& name);
  void replace_file(DraftDir& dir, const std::string& name);
  void name_directory(DraftDir& dir, const Entry& entry);

  void finish_nodes(DraftDir& dir);
  bool needs_mark(DraftDir& dir);
  void finish_attributes(DraftDir& dir, const RelPath& path);

  Context context_;
  const BeforeRemoval& before_removal_;
  DiffFormat format_;
  DraftFiles& files_;
  DiffDraft draft_;
  DiffResolver resolver_;
  Tally duplicates_{"paths named by more than one entry of the layer, the last one counts"};
  std::uint64_t content_bytes_ = 0;
  std::pair<const DraftDir*, std::string> last_file_{nullptr, {}};
  std::optional<RelPath> last_aside_;
  bool root_is_opaque_ = false;
};

}  // namespace layerkit
