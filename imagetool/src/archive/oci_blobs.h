#pragma once

#include <optional>
#include <string>

#include "archive/archive_documents.h"
#include "archive/blob_container.h"

namespace layerkit {

/// The blobs of an OCI image layout, each held against the descriptor that asks for it.
class OciBlobs {
 public:
  /// `container` must outlive it.
  OciBlobs(const BlobContainer& container, const LoadLimits& limits)
      : container_(container), limits_(limits) {}

  const BlobContainer& container() const noexcept { return container_; }
  const LoadLimits& limits() const noexcept { return limits_; }

  /// nullopt when the layout lacks the blob. Throws Error{Integrity} when its size differs from the
  /// descriptor's; the digest is verified when the source was read to its end.
  std::optional<StoredFile> open(const Descriptor& descriptor) const;
  /// A whole JSON document, verified; from the descriptor's `data` when only that is there.
  /// Throws Error{Limit} when it, or all documents together, are too much to read.
  std::optional<std::string> read(const Descriptor& descriptor);

 private:
  const BlobContainer& container_;
  LoadLimits limits_;
  std::uint64_t read_bytes_ = 0;
};

}  // namespace layerkit
