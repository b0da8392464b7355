#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "layerkit/base/byte_stream.h"

namespace layerkit {

enum class Compression { None, Gzip, Zstd, Xz, Bzip2 };

std::string_view compression_name(Compression compression) noexcept;

/// A source that detects its compression from the first bytes and yields the plain bytes.
class DecompressingSource : public ByteSource {
 public:
  virtual Compression compression() const noexcept = 0;
};

/// Bounds on what a compressed stream may ask of us. One that is hit is Error{Limit} and named in
/// it.
struct DecompressionLimits {
  /// What a format's window or dictionary may take: a zstd window is a power of two, so 32 MiB; xz
  /// counts all it needs. What `zstd -19` and `xz -8` write is below, `zstd --ultra -22` and
  /// `xz -9` are not.
  std::uint64_t memory = std::uint64_t{34} << 20;
  /// Plain bytes for each compressed one; 0: no limit.
  std::uint64_t ratio = 250;
  /// So many plain bytes may come whatever the ratio is.
  std::uint64_t ratio_free_bytes = std::uint64_t{1} << 30;
};

/// Reads `source` (which must outlive it) to its end. Checksums and lengths are verified; several
/// gzip members or zstd frames in a row are one stream; zero padding after the last is accepted,
/// other trailing bytes and truncation are Error{Integrity}. `name` appears in errors.
std::unique_ptr<DecompressingSource> make_decompressing_source(
    ByteSource& source, std::string name, const DecompressionLimits& limits = {});

/// Writes compressed bytes; `finish` completes the stream and must be called.
class CompressingSink : public ByteSink {
 public:
  virtual void finish() = 0;
};

/// None, Gzip or Zstd. Deterministic: the same bytes in give the same bytes out (gzip header
/// without name, time and system; zstd with a checksum). Throws Error{Unsupported} for other
/// formats, Error{Invalid} for a level the format does not have. `level` 0 is the format's default.
/// `sink` must outlive it.
std::unique_ptr<CompressingSink> make_compressing_sink(ByteSink& sink,
                                                       Compression to,
                                                       int level = 0);

}  // namespace layerkit
