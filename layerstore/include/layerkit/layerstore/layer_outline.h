#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/context.h"
#include "layerkit/base/entry.h"
#include "layerkit/base/fd.h"
#include "layerkit/layerstore/layer_tree.h"
#include "layerkit/layerstore/tar.h"

namespace layerkit {

/// Bytes of an uncompressed tar, again: `length` of them from `offset` on.
using TarBytes =
    std::function<std::unique_ptr<ByteSource>(std::uint64_t offset, std::uint64_t length)>;

/// What a layer is on top of `lower` (null: a base layer), as one tree, without unpacking it: the
/// tar is read to its end, its contents are passed over and read through `bytes` when they are
/// asked for. The tree is the one that DiffWriter would write, and so are its errors; needs no
/// privileges. An opaque root has Hides::Below. What of the tree does not fit into 256 KiB of
/// memory lies in a nameless file in `temporary`, a directory, in the order of a walk: one through
/// the tree reads each page of it about once.
std::shared_ptr<const LayerTree> outline_layer(ByteSource& tar,
                                               std::shared_ptr<const LayerTree> lower,
                                               TarBytes bytes,
                                               std::shared_ptr<const Fd> temporary,
                                               const Context& context,
                                               const TarLimits& limits = {});

}  // namespace layerkit
