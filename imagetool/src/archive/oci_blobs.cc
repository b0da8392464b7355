#include "archive/oci_blobs.h"

#include "archive/verified_source.h"
#include "layerkit/base/error.h"

namespace layerkit {
namespace {

/// Indexes may name one document many times over; this bounds the work they can ask for.
constexpr std::uint64_t kMaxDocumentBytes = 8ULL << 20;
/// What reading a document costs apart from its bytes, so that many empty ones count as well.
constexpr std::uint64_t kDocumentCost = 4096;

}  // namespace

std::optional<StoredFile> OciBlobs::open(const Descriptor& descriptor) const {
  auto file = container_.open(blob_path(descriptor.digest));
  if (!file) return std::nullopt;
  check_blob_size(descriptor.digest, file->size, descriptor.size);
  file->bytes = make_verified_source(std::move(file->bytes), descriptor.digest);
  return file;
}

std::optional<std::string> OciBlobs::read(const Descriptor& descriptor, std::size_t max_bytes) {
  read_bytes_ += kDocumentCost + descriptor.size;
  if (descriptor.size > max_bytes || read_bytes_ > kMaxDocumentBytes) {
    fail(Errc::Limit,
         "document {} of {} bytes: more than {} bytes in one or {} in all are not read",
         descriptor.digest.str(), descriptor.size, max_bytes, kMaxDocumentBytes);
  }
  const auto file = open(descriptor);
  if (!file) return descriptor.data;
  return read_all(*file->bytes, max_bytes, descriptor.digest.str());
}

}  // namespace layerkit
