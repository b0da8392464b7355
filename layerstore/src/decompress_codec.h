#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "layerkit/layerstore/compression.h"

namespace layerkit {

/// How far one call of a decompressor came.
struct CodecStep {
  std::size_t consumed = 0;
  std::size_t produced = 0;
  bool unit_done = false;  ///< a member, frame or stream is complete and its checksum matched
};

/// One compression format: a sequence of self-contained units (gzip members, zstd frames, xz and
/// bzip2 streams). Throws Error with the bare reason.
class DecompressCodec {
 public:
  DecompressCodec() = default;
  DecompressCodec(const DecompressCodec&) = delete;
  DecompressCodec& operator=(const DecompressCodec&) = delete;
  virtual ~DecompressCodec() = default;

  /// Whether `first` may begin a unit; the unit itself decides about the bytes behind it.
  virtual bool starts_unit(std::byte first) const noexcept = 0;
  virtual void start_unit() = 0;
  virtual CodecStep step(std::span<const std::byte> in, std::span<std::byte> out) = 0;
};

std::unique_ptr<DecompressCodec> make_gzip_codec();
/// `max_memory`: for the window, or all that the stream needs.
std::unique_ptr<DecompressCodec> make_zstd_codec(std::uint64_t max_memory);
std::unique_ptr<DecompressCodec> make_xz_codec(std::uint64_t max_memory);
std::unique_ptr<DecompressCodec> make_bzip2_codec();

}  // namespace layerkit
