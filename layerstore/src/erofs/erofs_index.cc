#include "layerkit/layerstore/erofs_index.h"

#include <utility>

#include "draft_arena.h"
#include "erofs/erofs_image.h"
#include "layer_applier.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "memory_files.h"

namespace layerkit {
namespace {

constexpr std::size_t kMaxMemory = std::size_t{256} << 10;

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

ErofsIndexFacts write_erofs_index(ByteSource& tar,
                                  std::shared_ptr<const LayerTree> lower,
                                  const TarBytes& bytes,
                                  int index,
                                  const Fd& temporary,
                                  const Context& context,
                                  const ErofsIndexOptions& options) {
  check(index, options);
  DraftArena arena(temporary.get(), kMaxMemory);
  const auto reader = make_tar_reader(tar, TarDialect::Layer, options.limits);
  MemoryFiles files(arena, [&reader] { return reader->extents(); });
  const BeforeRemoval nothing_to_keep;
  const LayerTree* below = lower.get();
  LayerApplier layer(arena, files, std::move(lower), context, nothing_to_keep, options.format,
                     options.limits.entries);
  while (const auto entry = reader->next()) {
    context.check_interrupted();
    layer.add(*entry, reader->contents());
  }
  layer.finish();
  ErofsImage image(index, arena, below, bytes, options, context);
  ErofsIndexFacts facts = image.write(layer.root());
  facts.hides_everything_below = layer.hides_everything_below();
  facts.content_bytes = layer.content_bytes();
  return facts;
}

}  // namespace layerkit
