#pragma once

#include <cstdint>
#include <optional>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/context.h"
#include "layerkit/base/entry.h"

namespace layerkit {

/// A layer as a stream of entries. Reading a tar, walking an overlay upper directory, walking a
/// merged tree and comparing two trees are all LayerReaders.
///
/// Order is the producer's; a tar may name a child before its parent, twice, or without one.
/// Not thread-safe.
class LayerReader {
 public:
  LayerReader() = default;
  LayerReader(const LayerReader&) = delete;
  LayerReader& operator=(const LayerReader&) = delete;
  virtual ~LayerReader() = default;

  /// The next entry, or nullopt at the end. Unread contents of the previous entry are skipped.
  virtual std::optional<Entry> next() = 0;
  /// The bytes of the entry that `next()` just returned: `size` bytes for a regular file that is
  /// not a hard link, else none. Valid until the next call of `next()`.
  virtual ByteSource& contents() = 0;
};

/// Where a layer's entries go: a tar, a diff directory, an index, a counter. Not thread-safe.
class LayerWriter {
 public:
  LayerWriter() = default;
  LayerWriter(const LayerWriter&) = delete;
  LayerWriter& operator=(const LayerWriter&) = delete;
  virtual ~LayerWriter() = default;

  /// Takes one entry; reads `contents` to its end for a regular file that is not a hard link.
  virtual void add(const Entry& entry, ByteSource& contents) = 0;
  /// Completes the layer; nothing is complete before. Call once.
  virtual void finish() = 0;
};

/// Moves every entry and finishes `to`. Stops with Error{Interrupted}, also within contents.
void copy_layer(LayerReader& from, LayerWriter& to, const Context& context);

}  // namespace layerkit
