#include "archive/oci_blobs.h"

#include "archive/verified_source.h"
#include "layerkit/base/error.h"

namespace layerkit {
namespace {

/// What reading a document costs apart from its bytes, so that many empty ones count as well.
constexpr std::uint64_t kDocumentCost = 1024;

}  // namespace

std::optional<StoredFile> OciBlobs::open(const Descriptor& descriptor) const {
  auto file = container_.open(blob_path(descriptor.digest));
  if (!file) return std::nullopt;
  check_blob_size(descriptor.digest, file->size, descriptor.size);
  file->bytes = make_verified_source(std::move(file->bytes), descriptor.digest);
  return file;
}

std::optional<std::string> OciBlobs::read(const Descriptor& descriptor) {
  const auto file = open(descriptor);
  // Indexes may name one document many times over; this bounds the work they can ask for.
  read_bytes_ += kDocumentCost + descriptor.size;
  if (read_bytes_ > kMaxAllJsonBytes) {
    fail(Errc::Limit, "the documents of all images have more than {} bytes", kMaxAllJsonBytes);
  }
  if (!file) return descriptor.data;
  return read_document(*file, descriptor.digest.str(), limits_);
}

}  // namespace layerkit
