#include "archive/verified_source.h"

#include "layerkit/base/error.h"
#include "layerkit/base/hashing_stream.h"

namespace layerkit {
namespace {

class VerifiedSource final : public ByteSource {
 public:
  VerifiedSource(std::unique_ptr<ByteSource> bytes, const BlobId& blob)
      : bytes_(std::move(bytes)), hashed_(*bytes_), blob_(blob) {}

  std::size_t read(std::span<std::byte> buffer) override {
    if (at_end_) return 0;
    const std::size_t got = hashed_.read(buffer);
    if (got > 0) return got;
    at_end_ = true;
    const Sha256Digest actual = hashed_.finish();
    if (actual != blob_.digest()) {
      fail(Errc::Integrity, "blob {} has the digest {}", blob_.str(), actual.str());
    }
    return 0;
  }

 private:
  std::unique_ptr<ByteSource> bytes_;
  HashingSource hashed_;
  BlobId blob_;
  bool at_end_ = false;
};

}  // namespace

void check_blob_size(const BlobId& blob, std::uint64_t actual, std::uint64_t expected) {
  if (actual == expected) return;
  fail(Errc::Integrity, "blob {} is {} bytes, its descriptor says {}", blob.str(), actual,
       expected);
}

std::unique_ptr<ByteSource> make_verified_source(std::unique_ptr<ByteSource> bytes,
                                                 const BlobId& blob) {
  return std::make_unique<VerifiedSource>(std::move(bytes), blob);
}

RelPath blob_path(const BlobId& blob) {
  return RelPath::parse("blobs/sha256/" + blob.hex());
}

}  // namespace layerkit
