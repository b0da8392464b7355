#include <algorithm>
#include <vector>

#include "decompress_codec.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

constexpr std::size_t kChunk = std::size_t{256} << 10;
constexpr std::size_t kMagicBytes = 10;

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// RFC 1952; RFC 8878; "The .xz File Format" 2.1.1.1; bzip2 has its first block's mark behind the
/// header, without which a tar whose first name starts with "BZh9" would be taken for one.
Compression detect(std::string_view start) {
  if (start.starts_with("\x1f\x8b\x08")) return Compression::Gzip;
  if (start.starts_with("\x28\xb5\x2f\xfd")) return Compression::Zstd;
  const bool skippable = !start.empty() && (static_cast<unsigned char>(start[0]) & 0xf0U) == 0x50;
  if (skippable && start.substr(1).starts_with("\x2a\x4d\x18")) return Compression::Zstd;
  if (start.starts_with(std::string_view("\xfd"
                                         "7zXZ\0",
                                         6)))
    return Compression::Xz;
  const bool bzip2 = start.starts_with("BZh") && start.size() == kMagicBytes;
  const std::string_view block = bzip2 ? start.substr(4) : std::string_view();
  if (block == "1AY&SY" || block == "\x17\x72\x45\x38\x50\x90") return Compression::Bzip2;
  return Compression::None;
}

std::unique_ptr<DecompressCodec> make_codec(Compression compression, std::uint64_t max_memory) {
  switch (compression) {
    case Compression::None:
      break;
    case Compression::Gzip:
      return make_gzip_codec();
    case Compression::Zstd:
      return make_zstd_codec(max_memory);
    case Compression::Xz:
      return make_xz_codec(max_memory);
    case Compression::Bzip2:
      return make_bzip2_codec();
  }
  return nullptr;
}

class Decompressor final : public DecompressingSource {
 public:
  Decompressor(ByteSource& source, std::string name, const DecompressionLimits& limits)
      : source_(source), name_(std::move(name)), limits_(limits), chunk_(kChunk) {
    end_ = read_full(source_, std::span(chunk_).first(kMagicBytes));
    compressed_bytes_ = end_;
    compression_ = detect(as_text(std::span(chunk_).first(end_)));
    codec_ = make_codec(compression_, limits_.memory);
  }

  Compression compression() const noexcept override { return compression_; }

  std::size_t read(std::span<std::byte> buffer) override {
    if (!codec_) return pass_through(buffer);
    return with_context([this] { return "decompressing " + quoted(name_); },
                        [&] { return decompress(buffer); });
  }

  std::uint64_t skip(std::uint64_t count) override {
    if (codec_) return DecompressingSource::skip(count);
    const std::uint64_t held = std::min<std::uint64_t>(count, end_ - begin_);
    begin_ += held;
    return held + (held < count ? source_.skip(count - held) : 0);
  }

 private:
  std::size_t pass_through(std::span<std::byte> buffer);
  std::size_t decompress(std::span<std::byte> buffer);
  std::size_t counted(std::size_t produced);
  bool start_unit();
  void skip_zero_padding();
  bool refill();
  std::span<const std::byte> buffered() const {
    return std::span(chunk_).subspan(begin_, end_ - begin_);
  }

  ByteSource& source_;
  std::string name_;
  DecompressionLimits limits_;
  std::uint64_t compressed_bytes_ = 0;
  std::uint64_t plain_bytes_ = 0;
  std::vector<std::byte> chunk_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  Compression compression_ = Compression::None;
  std::unique_ptr<DecompressCodec> codec_;
  bool in_unit_ = false;
  bool ended_ = false;
};

std::size_t Decompressor::pass_through(std::span<std::byte> buffer) {
  if (begin_ == end_) return source_.read(buffer);
  const auto bytes = buffered().first(std::min(buffer.size(), end_ - begin_));
  std::copy(bytes.begin(), bytes.end(), buffer.begin());
  begin_ += bytes.size();
  return bytes.size();
}

std::size_t Decompressor::decompress(std::span<std::byte> buffer) {
  while (!ended_) {
    if (!in_unit_ && !start_unit()) break;
    const bool have_input = refill();
    const CodecStep step = codec_->step(buffered(), buffer);
    begin_ += step.consumed;
    if (step.unit_done) in_unit_ = false;
    if (step.produced > 0) return counted(step.produced);
    if (!step.unit_done && !have_input) fail(Errc::Integrity, "it ends too early");
    if (!step.unit_done && step.consumed == 0) fail(Errc::Integrity, "its data is damaged");
  }
  return 0;
}

/// Stops what a few bytes make of themselves before it fills the disk.
std::size_t Decompressor::counted(std::size_t produced) {
  plain_bytes_ += produced;
  if (limits_.ratio > 0 && plain_bytes_ > limits_.ratio_free_bytes &&
      plain_bytes_ / limits_.ratio > compressed_bytes_) {
    fail(Errc::Limit, "{} bytes unpack to more than {} times as many (the limit max-ratio)",
         compressed_bytes_, limits_.ratio);
  }
  return produced;
}

/// False at the end of the stream.
bool Decompressor::start_unit() {
  ended_ = !refill();
  if (ended_) return false;
  if (buffered()[0] == std::byte{0}) {
    skip_zero_padding();
    ended_ = true;
    return false;
  }
  if (!codec_->starts_unit(buffered()[0])) {
    fail(Errc::Integrity, "{} data is followed by other bytes", compression_name(compression_));
  }
  codec_->start_unit();
  in_unit_ = true;
  return true;
}

void Decompressor::skip_zero_padding() {
  while (refill()) {
    const auto bytes = buffered();
    if (std::any_of(bytes.begin(), bytes.end(), [](std::byte b) { return b != std::byte{0}; })) {
      fail(Errc::Integrity, "{} data is followed by other bytes", compression_name(compression_));
    }
    begin_ = end_;
  }
}

/// False when nothing is buffered and the source has ended.
bool Decompressor::refill() {
  if (begin_ < end_) return true;
  begin_ = 0;
  end_ = source_.read(chunk_);
  compressed_bytes_ += end_;
  return end_ > 0;
}

}  // namespace

std::unique_ptr<DecompressingSource> make_decompressing_source(ByteSource& source,
                                                               std::string name,
                                                               const DecompressionLimits& limits) {
  return std::make_unique<Decompressor>(source, std::move(name), limits);
}

}  // namespace layerkit
