#include "archive/verified_source.h"

#include <functional>
#include <utility>

#include "layerkit/base/error.h"
#include "layerkit/base/hashing_stream.h"

namespace layerkit {
namespace {

/// Says what is wrong with bytes that have the digest `actual`.
using OnMismatch = std::function<void(const Sha256Digest& actual)>;

class VerifiedSource final : public ByteSource {
 public:
  VerifiedSource(std::unique_ptr<ByteSource> bytes,
                 const Sha256Digest& expected,
                 OnMismatch on_mismatch)
      : bytes_(std::move(bytes)),
        hashed_(*bytes_),
        expected_(expected),
        on_mismatch_(std::move(on_mismatch)) {}

  std::size_t read(std::span<std::byte> buffer) override {
    if (at_end_) return 0;
    const std::size_t got = hashed_.read(buffer);
    if (got > 0) return got;
    at_end_ = true;
    const Sha256Digest actual = hashed_.finish();
    if (actual != expected_) on_mismatch_(actual);
    return 0;
  }

 private:
  std::unique_ptr<ByteSource> bytes_;
  HashingSource hashed_;
  Sha256Digest expected_;
  OnMismatch on_mismatch_;
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
  return std::make_unique<VerifiedSource>(
      std::move(bytes), blob.digest(), [blob](const Sha256Digest& actual) {
        fail(Errc::Integrity, "blob {} has the digest {}", blob.str(), actual.str());
      });
}

std::unique_ptr<ByteSource> make_verified_layer(std::unique_ptr<ByteSource> bytes,
                                                const DiffId& layer) {
  return std::make_unique<VerifiedSource>(
      std::move(bytes), layer.digest(), [layer](const Sha256Digest& actual) {
        fail(Errc::Integrity, "layer {} does not match its digest: the image's config says {}",
             actual.str(), layer.str());
      });
}

RelPath blob_path(const BlobId& blob) {
  return RelPath::parse("blobs/sha256/" + blob.hex());
}

}  // namespace layerkit
