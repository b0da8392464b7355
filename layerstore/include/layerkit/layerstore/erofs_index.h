#pragma once

#include <cstdint>
#include <memory>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/context.h"
#include "layerkit/base/fd.h"
#include "layerkit/layerstore/diff_format.h"
#include "layerkit/layerstore/layer_outline.h"
#include "layerkit/layerstore/layer_tree.h"
#include "layerkit/layerstore/tar.h"

namespace layerkit {

struct ErofsIndexOptions {
  /// One of overlay's: how the mount that will use the layer says what the layer hides.
  DiffFormat format = DiffFormat::overlay();
  /// Where the tar begins in the file that will be the data device: a multiple of 512. Not 0 for a
  /// layer inside an archive.
  std::uint64_t data_offset = 0;
  TarLimits limits;
};

struct ErofsIndexFacts {
  /// The layer's root is opaque: overlayfs must be given nothing below this layer.
  bool hides_everything_below = false;
  std::uint64_t content_bytes = 0;  ///< of the regular files, as `docker images` counts a layer
  std::uint64_t inodes = 0;
  std::uint64_t index_bytes = 0;   ///< size of the index
  std::uint64_t copied_bytes = 0;  ///< contents in it, since no address in the tar can say them
};

struct ErofsIndexed {
  /// The layer itself, as outline_layer gives it: layers on top of it need it as their lower view.
  std::shared_ptr<const LayerTree> layer;
  ErofsIndexFacts facts;
};

/// Writes into `index`, an empty regular file, an EROFS image that shows the tar's layer on top of
/// `lower` (null: a base layer) as DiffWriter would unpack it: docs/formats/erofs-index.md. The
/// image has metadata only; contents of files are where they are in the tar, which the kernel is
/// given as the image's one extra device, uncompressed and unchanged (mount -o device=TAR; without
/// loop devices from Linux 6.12 on). The same layer gives the same bytes.
///
/// The tar is read to its end; its contents are passed over. Through `bytes` come those that must
/// be copied: of sparse files where data does not fill whole blocks. Files that only `lower` has,
/// and that the layer links to, are copied, too. What of the layer's tree does not fit into 256 KiB
/// of memory lies in a nameless file in `temporary`, a directory.
///
/// Throws what DiffWriter throws; Error{Limit} or Error{Unsupported} that names the object for what
/// EROFS cannot hold: extended attributes of more than 65,535 bytes, a tar or index of 2 TiB.
/// What is in `index` then is no image. Does not sync. Needs no privileges; mounting does.
ErofsIndexed write_erofs_index(ByteSource& tar,
                               std::shared_ptr<const LayerTree> lower,
                               TarBytes bytes,
                               int index,
                               std::shared_ptr<const Fd> temporary,
                               const Context& context,
                               const ErofsIndexOptions& options = {});

}  // namespace layerkit
