#pragma once

#include <cstdint>
#include <optional>

#include "archive/archive_output.h"
#include "layerkit/layerstore/compression.h"
#include "layerkit/layerstore/store.h"

namespace layerkit {

/// A stored layer as it goes into an archive: digest and size are known before the first byte.
class LayerExport {
 public:
  /// A compressed layer is first written to a temporary file of the store; an uncompressed one
  /// streams from the store. All arguments must outlive it.
  LayerExport(const Store& store,
              const ChainId& chain,
              Compression compression,
              const Context& context);

  BlobId digest() const noexcept { return digest_; }
  std::uint64_t size() const noexcept { return size_; }
  /// Verified while written: Error{Integrity} when the store was tampered with.
  void write(ByteSink& sink) const;

 private:
  void compress(Compression compression);

  const Store& store_;
  const Context& context_;
  ChainId chain_;
  BlobId digest_;
  std::uint64_t size_;
  Fd file_;  ///< of the compressed bytes
};

}  // namespace layerkit
