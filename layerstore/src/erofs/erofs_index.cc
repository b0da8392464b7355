#include "layerkit/layerstore/erofs_index.h"

#include <utility>

#include "erofs/erofs_image.h"
#include "file_names.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "outline_tree.h"

namespace layerkit {
namespace {

void check(int index, const ErofsIndexOptions& options) {
  if (options.format.is_aufs()) {
    fail(Errc::Unsupported, "indexing a layer: only overlayfs can use the result, not AUFS");
  }
  if (options.data_offset % erofs::kBlock != 0) {
    fail(Errc::Unsupported, "indexing a layer: it begins at byte {} of its file, no multiple of {}",
         options.data_offset, erofs::kBlock);
  }
  const FileStat stat = stat_fd(index);
  if (stat.type != FileType::Regular || stat.size != 0) {
    fail(Errc::Exists, "indexing a layer: the file for the index is not empty");
  }
}

}  // namespace

ErofsIndexed write_erofs_index(ByteSource& tar,
                               std::shared_ptr<const LayerTree> lower,
                               TarBytes bytes,
                               int index,
                               std::shared_ptr<const Fd> temporary,
                               const Context& context,
                               const ErofsIndexOptions& options) {
  check(index, options);
  const LayerTree* below = lower.get();
  auto tree = std::make_shared<OutlineTree>(std::move(lower), bytes, std::move(temporary));
  ErofsIndexFacts facts;
  tree->read(tar, context, options.limits, options.format,
             [&](LayerApplier& layer, DraftArena& arena) {
               sort_file_names(layer.root(), [&arena] { arena.tidy(); });
               ErofsImage image(index, arena, below, bytes, options, context);
               facts = image.write(layer.root());
               facts.hides_everything_below = layer.hides_everything_below();
               facts.content_bytes = layer.content_bytes();
             });
  return {std::move(tree), facts};
}

}  // namespace layerkit
