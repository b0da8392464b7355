#include <bzlib.h>

#include <algorithm>
#include <climits>

#include "decompress_codec.h"
#include "layerkit/base/error.h"

namespace layerkit {
namespace {

constexpr std::byte kFirst{'B'};

class Bzip2Codec final : public DecompressCodec {
 public:
  Bzip2Codec() = default;
  Bzip2Codec(const Bzip2Codec&) = delete;
  Bzip2Codec& operator=(const Bzip2Codec&) = delete;
  ~Bzip2Codec() override { ::BZ2_bzDecompressEnd(&stream_); }

  bool starts_unit(std::byte first) const noexcept override { return first == kFirst; }

  void start_unit() override {
    ::BZ2_bzDecompressEnd(&stream_);  // harmless before the first
    stream_ = {};
    if (::BZ2_bzDecompressInit(&stream_, 0, 0) != BZ_OK) fail(Errc::Limit, "bzip2 has no memory");
  }

  CodecStep step(std::span<const std::byte> in, std::span<std::byte> out) override {
    const auto in_size = static_cast<unsigned>(std::min<std::size_t>(in.size(), UINT_MAX));
    const auto out_size = static_cast<unsigned>(std::min<std::size_t>(out.size(), UINT_MAX));
    // bzip2 does not write to its input; its interface predates const.
    stream_.next_in = reinterpret_cast<char*>(const_cast<std::byte*>(in.data()));
    stream_.avail_in = in_size;
    stream_.next_out = reinterpret_cast<char*>(out.data());
    stream_.avail_out = out_size;
    const int result = ::BZ2_bzDecompress(&stream_);
    if (result == BZ_MEM_ERROR) fail(Errc::Limit, "bzip2 has no memory");
    if (result != BZ_OK && result != BZ_STREAM_END) fail(Errc::Integrity, "bzip2: damaged data");
    return {in_size - stream_.avail_in, out_size - stream_.avail_out, result == BZ_STREAM_END};
  }

 private:
  bz_stream stream_{};
};

}  // namespace

std::unique_ptr<DecompressCodec> make_bzip2_codec() {
  return std::make_unique<Bzip2Codec>();
}

}  // namespace layerkit
