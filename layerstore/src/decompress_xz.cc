#include <lzma.h>

#include "decompress_codec.h"
#include "layerkit/base/error.h"

namespace layerkit {
namespace {

constexpr std::byte kFirst{0xfd};

[[noreturn]] void fail_xz(lzma_ret result, std::uint64_t max_memory) {
  switch (result) {
    case LZMA_MEMLIMIT_ERROR:
      fail(Errc::Limit, "xz: the stream needs more than {} MiB of memory (the limit max-memory)",
           max_memory >> 20);
    case LZMA_MEM_ERROR:
      fail(Errc::Limit, "xz has no memory");
    case LZMA_UNSUPPORTED_CHECK:
    case LZMA_OPTIONS_ERROR:
      fail(Errc::Unsupported, "xz: the stream uses options that are not supported");
    default:
      fail(Errc::Integrity, "xz: damaged data");
  }
}

class XzCodec final : public DecompressCodec {
 public:
  explicit XzCodec(std::uint64_t max_memory) : max_memory_(max_memory) {}
  XzCodec(const XzCodec&) = delete;
  XzCodec& operator=(const XzCodec&) = delete;
  ~XzCodec() override { ::lzma_end(&stream_); }

  bool starts_unit(std::byte first) const noexcept override { return first == kFirst; }

  void start_unit() override {
    const lzma_ret result =
        ::lzma_stream_decoder(&stream_, max_memory_, LZMA_TELL_UNSUPPORTED_CHECK);
    if (result != LZMA_OK) fail_xz(result, max_memory_);
  }

  CodecStep step(std::span<const std::byte> in, std::span<std::byte> out) override {
    stream_.next_in = reinterpret_cast<const std::uint8_t*>(in.data());
    stream_.avail_in = in.size();
    stream_.next_out = reinterpret_cast<std::uint8_t*>(out.data());
    stream_.avail_out = out.size();
    const lzma_ret result = ::lzma_code(&stream_, LZMA_RUN);
    // LZMA_BUF_ERROR is no progress, of which the caller thinks.
    if (result != LZMA_OK && result != LZMA_STREAM_END && result != LZMA_BUF_ERROR) {
      fail_xz(result, max_memory_);
    }
    return {in.size() - stream_.avail_in, out.size() - stream_.avail_out,
            result == LZMA_STREAM_END};
  }

 private:
  std::uint64_t max_memory_;
  lzma_stream stream_ = LZMA_STREAM_INIT;
};

}  // namespace

std::unique_ptr<DecompressCodec> make_xz_codec(std::uint64_t max_memory) {
  return std::make_unique<XzCodec>(max_memory);
}

}  // namespace layerkit
