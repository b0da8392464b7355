#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "draft_arena.h"
#include "draft_dir.h"
#include "layerkit/base/context.h"
#include "layerkit/base/fd.h"
#include "layerkit/layerstore/layer_outline.h"
#include "layerkit/layerstore/layer_tree.h"
#include "layerkit/layerstore/tar.h"
#include "memory_files.h"

namespace layerkit {

/// A layer that was applied to nothing but memory.
class OutlineTree final : public LayerTree {
 public:
  OutlineTree(std::shared_ptr<const LayerTree> lower,
              TarBytes bytes,
              std::shared_ptr<const Fd> temporary,
              const Context& context)
      : lower_(std::move(lower)),
        bytes_(std::move(bytes)),
        temporary_(std::move(temporary)),
        arena_(temporary_->get(), kMaxMemory),
        context_(context) {}

  /// To be called once, first.
  void read(ByteSource& tar, const TarLimits& limits, DiffFormat format = DiffFormat::overlay());

  std::optional<Entry> lookup(const RelPath& path) const override;
  std::vector<std::string> list(const RelPath& path) const override;
  std::unique_ptr<ByteSource> open(const RelPath& path) const override;
  std::optional<FileIdentity> identity(const RelPath& path) const override;
  std::shared_ptr<const LayerDir> root_dir() const override;

  std::optional<LayerChild> child(const DraftDir& dir,
                                  const RelPath& dir_path,
                                  std::string_view name) const;
  std::vector<LayerName> names(const DraftDir& dir) const;

  // The draft that it is.

  DraftDir& root() const noexcept { return *root_; }
  DraftArena& arena() const noexcept { return arena_; }
  bool hides_everything_below() const noexcept { return root_is_opaque_; }
  std::uint64_t content_bytes() const noexcept { return content_bytes_; }

 private:
  /// There may be as many of them as an image has layers.
  static constexpr std::size_t kMaxMemory = std::size_t{256} << 10;

  const DraftDir* find_dir(const RelPath& path) const;
  const DraftFile* find_file(const RelPath& path) const;
  Entry entry_of(const DraftDir& dir, RelPath path) const;
  Entry entry_of(const DraftFile& file, RelPath path) const;
  void tidy() const {
    const std::lock_guard lock(tidy_mutex_);
    arena_.tidy();
  }

  std::shared_ptr<const LayerTree> lower_;
  TarBytes bytes_;
  std::shared_ptr<const Fd> temporary_;
  mutable DraftArena arena_;
  mutable std::mutex tidy_mutex_;
  Context context_;
  DraftDir* root_ = nullptr;
  bool root_is_opaque_ = false;
  std::uint64_t content_bytes_ = 0;
};

}  // namespace layerkit
