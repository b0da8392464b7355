#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <climits>
#include <vector>

#include "layerkit/base/error.h"
#include "layerkit/layerstore/compression.h"

namespace layerkit {
namespace {

constexpr std::size_t kChunk = std::size_t{128} << 10;
constexpr int kUnknownSystem = 255;  // RFC 1952, "OS": the same bytes wherever they are written

int checked_level(std::string_view format, int level, int lowest, int highest) {
  if (level < lowest || level > highest) {
    fail(Errc::Invalid, "compressing by {}: level {} is not in {}..{}", format, level, lowest,
         highest);
  }
  return level;
}

class PlainSink final : public CompressingSink {
 public:
  explicit PlainSink(ByteSink& sink) : sink_(sink) {}
  void write(std::span<const std::byte> bytes) override { sink_.write(bytes); }
  void finish() override {}

 private:
  ByteSink& sink_;
};

class GzipSink final : public CompressingSink {
 public:
  GzipSink(ByteSink& sink, int level) : sink_(sink), out_(kChunk) {
    constexpr int kGzip = 16 + MAX_WBITS;
    constexpr int kMemoryLevel = 8;  // zlib's default
    const int checked = level == 0 ? 6 : checked_level("gzip", level, 1, 9);
    if (::deflateInit2(&stream_, checked, Z_DEFLATED, kGzip, kMemoryLevel, Z_DEFAULT_STRATEGY) !=
        Z_OK) {
      fail(Errc::Limit, "compressing by gzip: zlib has no memory");
    }
    header_.os = kUnknownSystem;
    ::deflateSetHeader(&stream_, &header_);
  }
  GzipSink(const GzipSink&) = delete;
  GzipSink& operator=(const GzipSink&) = delete;
  ~GzipSink() override { ::deflateEnd(&stream_); }

  void write(std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const auto piece = bytes.first(std::min<std::size_t>(bytes.size(), UINT_MAX));
      // zlib does not write to its input; its pointer is const only by a build option.
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(piece.data()));
      stream_.avail_in = static_cast<uInt>(piece.size());
      while (stream_.avail_in > 0)
        deflate_some(Z_NO_FLUSH);
      bytes = bytes.subspan(piece.size());
    }
  }

  void finish() override {
    stream_.avail_in = 0;
    while (deflate_some(Z_FINISH) != Z_STREAM_END) {
    }
  }

 private:
  int deflate_some(int flush) {
    stream_.next_out = reinterpret_cast<Bytef*>(out_.data());
    stream_.avail_out = static_cast<uInt>(out_.size());
    const int result = ::deflate(&stream_, flush);
    if (result == Z_STREAM_ERROR) fail(Errc::Invalid, "compressing by gzip: the stream has ended");
    const std::size_t produced = out_.size() - stream_.avail_out;
    if (produced > 0) sink_.write(std::span(out_).first(produced));
    return result;
  }

  ByteSink& sink_;
  std::vector<std::byte> out_;
  gz_header header_{};
  z_stream stream_{};
};

class ZstdSink final : public CompressingSink {
 public:
  ZstdSink(ByteSink& sink, int level)
      : sink_(sink),
        context_(::ZSTD_createCCtx(), &::ZSTD_freeCCtx),
        out_(::ZSTD_CStreamOutSize()) {
    if (!context_) fail(Errc::Limit, "compressing by zstd: no memory");
    const int checked = level == 0
                            ? ZSTD_CLEVEL_DEFAULT
                            : checked_level("zstd", level, ::ZSTD_minCLevel(), ::ZSTD_maxCLevel());
    ::ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, checked);
    ::ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1);
  }

  void write(std::span<const std::byte> bytes) override {
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    while (in.pos < in.size)
      compress_some(in, ZSTD_e_continue);
  }

  void finish() override {
    ZSTD_inBuffer nothing{nullptr, 0, 0};
    while (compress_some(nothing, ZSTD_e_end) != 0) {
    }
  }

 private:
  std::size_t compress_some(ZSTD_inBuffer& in, ZSTD_EndDirective mode) {
    ZSTD_outBuffer out{out_.data(), out_.size(), 0};
    const std::size_t result = ::ZSTD_compressStream2(context_.get(), &out, &in, mode);
    if (::ZSTD_isError(result) != 0) {
      fail(Errc::Limit, "compressing by zstd: {}", ::ZSTD_getErrorName(result));
    }
    if (out.pos > 0) sink_.write(std::span(out_).first(out.pos));
    return result;
  }

  ByteSink& sink_;
  std::unique_ptr<ZSTD_CCtx, decltype(&::ZSTD_freeCCtx)> context_;
  std::vector<std::byte> out_;
};

}  // namespace

std::string_view compression_name(Compression compression) noexcept {
  switch (compression) {
    case Compression::None:
      return "none";
    case Compression::Gzip:
      return "gzip";
    case Compression::Zstd:
      return "zstd";
    case Compression::Xz:
      return "xz";
    case Compression::Bzip2:
      return "bzip2";
  }
  return "unknown";
}

std::unique_ptr<CompressingSink> make_compressing_sink(ByteSink& sink, Compression to, int level) {
  switch (to) {
    case Compression::None:
      return std::make_unique<PlainSink>(sink);
    case Compression::Gzip:
      return std::make_unique<GzipSink>(sink, level);
    case Compression::Zstd:
      return std::make_unique<ZstdSink>(sink, level);
    default:
      fail(Errc::Unsupported, "compressing by {}: only gzip and zstd are written",
           compression_name(to));
  }
}

}  // namespace layerkit
