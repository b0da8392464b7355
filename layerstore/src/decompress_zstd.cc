#include <zstd.h>
#include <zstd_errors.h>

#include "decompress_codec.h"
#include "layerkit/base/error.h"

namespace layerkit {
namespace {

constexpr int kMaxWindowLog = 27;  // 128 MiB

bool is_zstd_magic(std::byte first) {
  constexpr std::byte kFrame{0x28};
  constexpr std::byte kSkippable{0x50};  // 0x50 to 0x5f
  return first == kFrame || (first & std::byte{0xf0}) == kSkippable;
}

[[noreturn]] void fail_zstd(std::size_t result) {
  const Errc code = ::ZSTD_getErrorCode(result) == ZSTD_error_frameParameter_windowTooLarge
                        ? Errc::Limit
                        : Errc::Integrity;
  fail(code, "zstd: {}", ::ZSTD_getErrorName(result));
}

class ZstdCodec final : public DecompressCodec {
 public:
  ZstdCodec() : context_(::ZSTD_createDCtx(), &::ZSTD_freeDCtx) {
    if (!context_) fail(Errc::Limit, "zstd has no memory");
    ::ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kMaxWindowLog);
  }

  bool starts_unit(std::byte first) const noexcept override { return is_zstd_magic(first); }
  void start_unit() override { ::ZSTD_DCtx_reset(context_.get(), ZSTD_reset_session_only); }

  CodecStep step(std::span<const std::byte> in, std::span<std::byte> out) override {
    ZSTD_inBuffer from{in.data(), in.size(), 0};
    ZSTD_outBuffer to{out.data(), out.size(), 0};
    const std::size_t result = ::ZSTD_decompressStream(context_.get(), &to, &from);
    if (::ZSTD_isError(result) != 0) fail_zstd(result);
    return {from.pos, to.pos, result == 0};
  }

 private:
  std::unique_ptr<ZSTD_DCtx, decltype(&::ZSTD_freeDCtx)> context_;
};

}  // namespace

std::unique_ptr<DecompressCodec> make_zstd_codec() {
  return std::make_unique<ZstdCodec>();
}

}  // namespace layerkit
