#pragma once

#include <memory>
#include <string>

#include "archive/blob_container.h"
#include "layerkit/base/byte_stream.h"
#include "layerkit/base/digest.h"

namespace layerkit {

/// Throws Error{Integrity} "blob sha256:… is 740 bytes, its descriptor says 585".
void check_blob_size(const BlobId& blob, std::uint64_t actual, std::uint64_t expected);

/// The bytes of a blob; at their end the digest is compared: Error{Integrity} when it differs.
std::unique_ptr<ByteSource> make_verified_source(std::unique_ptr<ByteSource> bytes,
                                                 const BlobId& blob);

/// The uncompressed bytes of a layer, likewise with its diff ID.
std::unique_ptr<ByteSource> make_verified_layer(std::unique_ptr<ByteSource> bytes,
                                                const DiffId& layer);

/// "blobs/sha256/<hex>" of the OCI image layout.
RelPath blob_path(const BlobId& blob);

}  // namespace layerkit
