#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <bit>

#include "decompress_codec.h"
#include "layerkit/base/error.h"

namespace layerkit {
namespace {

/// As a power of two, within what the library takes.
int window_log(std::uint64_t max_memory) {
  constexpr int kMin = 10;
  constexpr int kMax = 31;
  return std::clamp(static_cast<int>(std::bit_width(max_memory)) - 1, kMin, kMax);
}

bool is_zstd_magic(std::byte first) {
  constexpr std::byte kFrame{0x28};
  constexpr std::byte kSkippable{0x50};  // 0x50 to 0x5f
  return first == kFrame || (first & std::byte{0xf0}) == kSkippable;
}

[[noreturn]] void fail_zstd(std::size_t result, std::uint64_t max_memory) {
  if (::ZSTD_getErrorCode(result) == ZSTD_error_frameParameter_windowTooLarge) {
    fail(Errc::Limit, "zstd: the stream needs more than {} MiB of memory (the limit max-memory)",
         max_memory >> 20);
  }
  fail(Errc::Integrity, "zstd: {}", ::ZSTD_getErrorName(result));
}

class ZstdCodec final : public DecompressCodec {
 public:
  explicit ZstdCodec(std::uint64_t max_memory)
      : max_memory_(max_memory), context_(::ZSTD_createDCtx(), &::ZSTD_freeDCtx) {
    if (!context_) fail(Errc::Limit, "zstd has no memory");
    ::ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, window_log(max_memory));
  }

  bool starts_unit(std::byte first) const noexcept override { return is_zstd_magic(first); }
  void start_unit() override { ::ZSTD_DCtx_reset(context_.get(), ZSTD_reset_session_only); }

  CodecStep step(std::span<const std::byte> in, std::span<std::byte> out) override {
    ZSTD_inBuffer from{in.data(), in.size(), 0};
    ZSTD_outBuffer to{out.data(), out.size(), 0};
    const std::size_t result = ::ZSTD_decompressStream(context_.get(), &to, &from);
    if (::ZSTD_isError(result) != 0) fail_zstd(result, max_memory_);
    return {from.pos, to.pos, result == 0};
  }

 private:
  std::uint64_t max_memory_;
  std::unique_ptr<ZSTD_DCtx, decltype(&::ZSTD_freeDCtx)> context_;
};

}  // namespace

std::unique_ptr<DecompressCodec> make_zstd_codec(std::uint64_t max_memory) {
  return std::make_unique<ZstdCodec>(max_memory);
}

}  // namespace layerkit
