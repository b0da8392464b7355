#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "draft_arena.h"
#include "layer_applier.h"
#include "layerkit/base/context.h"
#include "layerkit/base/fd.h"
#include "layerkit/layerstore/layer_outline.h"
#include "layerkit/layerstore/layer_tree.h"
#include "layerkit/layerstore/tar.h"
#include "outline_table.h"

namespace layerkit {

/// A layer that was applied to nothing but memory.
class OutlineTree final : public LayerTree {
 public:
  /// What is done with the finished draft, before the tree is made of it and the draft goes.
  using UseDraft = std::function<void(LayerApplier& layer, DraftArena& arena)>;

  OutlineTree(std::shared_ptr<const LayerTree> lower,
              TarBytes bytes,
              std::shared_ptr<const Fd> temporary)
      : lower_(std::move(lower)),
        bytes_(std::move(bytes)),
        temporary_(std::move(temporary)),
        table_(temporary_->get()) {}

  /// To be called once, first.
  void read(ByteSource& tar,
            const Context& context,
            const TarLimits& limits,
            DiffFormat format = DiffFormat::overlay(),
            const UseDraft& use = {});

  std::optional<Entry> lookup(const RelPath& path) const override;
  std::vector<std::string> list(const RelPath& path) const override;
  std::unique_ptr<ByteSource> open(const RelPath& path) const override;
  std::optional<FileIdentity> identity(const RelPath& path) const override;
  std::shared_ptr<const LayerDir> root_dir() const override;

 private:
  /// The directory asked about last, with all above it: in a walk the next one is near.
  struct Last {
    RelPath path;
    std::vector<OutlineChildren> way;  ///< of the root and each component of `path`
    std::uint32_t guess = 0;           ///< see OutlineTable::find
  };

  /// Of the draft, before its file is used.
  static constexpr std::size_t kMaxMemory = std::size_t{256} << 10;

  std::optional<OutlineTable::Item> find(const RelPath& path) const;
  bool go_to(const RelPath& directory) const;

  std::shared_ptr<const LayerTree> lower_;
  TarBytes bytes_;
  std::shared_ptr<const Fd> temporary_;
  OutlineTable table_;
  mutable std::mutex mutex_;
  mutable Last last_;
};

}  // namespace layerkit
