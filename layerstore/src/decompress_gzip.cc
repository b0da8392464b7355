#include <zlib.h>

#include <algorithm>
#include <climits>

#include "decompress_codec.h"
#include "layerkit/base/error.h"

namespace layerkit {
namespace {

constexpr std::byte kFirst{0x1f};
constexpr int kGzipOnly = 16 + MAX_WBITS;  // zlib then checks the header, CRC and length itself

class GzipCodec final : public DecompressCodec {
 public:
  GzipCodec() {
    if (::inflateInit2(&stream_, kGzipOnly) != Z_OK) fail(Errc::Limit, "zlib has no memory");
  }
  GzipCodec(const GzipCodec&) = delete;
  GzipCodec& operator=(const GzipCodec&) = delete;
  ~GzipCodec() override { ::inflateEnd(&stream_); }

  bool starts_unit(std::byte first) const noexcept override { return first == kFirst; }
  void start_unit() override { ::inflateReset(&stream_); }

  CodecStep step(std::span<const std::byte> in, std::span<std::byte> out) override {
    const auto in_size = static_cast<uInt>(std::min<std::size_t>(in.size(), UINT_MAX));
    const auto out_size = static_cast<uInt>(std::min<std::size_t>(out.size(), UINT_MAX));
    // zlib does not write to its input; its pointer is const only by a build option.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(in.data()));
    stream_.avail_in = in_size;
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = out_size;
    const int result = ::inflate(&stream_, Z_NO_FLUSH);
    if (result == Z_NEED_DICT || result == Z_DATA_ERROR || result == Z_STREAM_ERROR) {
      fail(Errc::Integrity, "gzip: {}", stream_.msg != nullptr ? stream_.msg : "damaged data");
    }
    if (result == Z_MEM_ERROR) fail(Errc::Limit, "zlib has no memory");
    return {in_size - stream_.avail_in, out_size - stream_.avail_out, result == Z_STREAM_END};
  }

 private:
  z_stream stream_{};
};

}  // namespace

std::unique_ptr<DecompressCodec> make_gzip_codec() {
  return std::make_unique<GzipCodec>();
}

}  // namespace layerkit
