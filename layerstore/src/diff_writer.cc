#include <utility>

#include "disk_files.h"
#include "draft_arena.h"
#include "layer_applier.h"
#include "layerkit/layerstore/diff_dir.h"

namespace layerkit {
namespace {

class Writer final : public DiffWriter {
 public:
  Writer(Fd diff,
         std::shared_ptr<const LayerTree> lower,
         const Context& context,
         BeforeRemoval before_removal,
         DiffFormat format,
         std::uint64_t max_directories)
      : before_removal_(std::move(before_removal)),
        files_(std::move(diff), format, context, before_removal_),
        arena_(files_.root_fd()),
        layer_(
            arena_, files_, std::move(lower), context, before_removal_, format, max_directories) {}

  void add(const Entry& entry, ByteSource& contents) override { layer_.add(entry, contents); }
  void finish() override { layer_.finish(); }
  bool hides_everything_below() const noexcept override { return layer_.hides_everything_below(); }
  std::uint64_t content_bytes() const noexcept override { return layer_.content_bytes(); }
  std::optional<RelPath> last_file() const override { return layer_.last_file(); }

 private:
  BeforeRemoval before_removal_;
  DiskFiles files_;
  DraftArena arena_;
  LayerApplier layer_;
};

}  // namespace

std::unique_ptr<DiffWriter> make_diff_writer(Fd diff,
                                             std::shared_ptr<const LayerTree> lower,
                                             const Context& context,
                                             DiffFormat format,
                                             BeforeRemoval before_removal,
                                             std::uint64_t max_directories) {
  return std::make_unique<Writer>(std::move(diff), std::move(lower), context,
                                  std::move(before_removal), format, max_directories);
}

}  // namespace layerkit
