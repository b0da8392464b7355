#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace layerkit::recipe_format {

// The bytes of a recipe before compression: docs/formats/store.md, "recipe".

inline constexpr std::string_view kHeading = "layerkit-recipe 1\n";

inline constexpr std::uint8_t kEnd = 0;
inline constexpr std::uint8_t kFraming = 1;
inline constexpr std::uint8_t kFile = 2;
inline constexpr std::uint8_t kReplaced = 3;

/// A framing record is never longer; longer framing takes several.
inline constexpr std::size_t kMaxFramingBytes = std::size_t{64} << 10;
/// PATH_MAX without the NUL.
inline constexpr std::size_t kMaxPathBytes = 4095;
inline constexpr std::size_t kChecksumBytes = 4;
/// Of one file. A tar has no more (TarLimits::sparse_pieces).
inline constexpr std::size_t kMaxPieces = 65'536;

}  // namespace layerkit::recipe_format
