#pragma once

#include <cstdint>

#include "layerkit/base/fd.h"
#include "layerkit/imagetool/archive.h"
#include "layerkit/layerstore/compression.h"

namespace layerkit {

/// A layer as it goes into an archive: digest and size are known before the first byte.
class LayerExport {
 public:
  /// An uncompressed layer of known size streams from where it is; another one is first written to
  /// a temporary file. All arguments must outlive it.
  LayerExport(const LayerInput& layer,
              Compression compression,
              int level,
              const MakeTemporaryFile& make_temporary_file,
              const Context& context);

  BlobId digest() const noexcept { return digest_; }
  std::uint64_t size() const noexcept { return size_; }
  /// Verified while written: Error{Integrity} when it is not what it was.
  void write(ByteSink& sink) const;

 private:
  void spool(Compression compression, int level, const MakeTemporaryFile& make_temporary_file);
  void copy(ByteSink& sink) const;

  const LayerInput& layer_;
  const Context& context_;
  BlobId digest_;
  std::uint64_t size_ = 0;
  Fd file_;  ///< of the spooled bytes
};

}  // namespace layerkit
