#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace layerkit {

/// 'name' in single quotes with control characters, quotes, backslashes and non-UTF-8 bytes escaped
/// as \n, \\, \', \xNN: safe to print on a terminal, unambiguous. Cut behind 4096 bytes.
std::string quoted(std::string_view bytes);
/// As above; closer than std::quoted, which a std::string argument would otherwise find.
inline std::string quoted(const std::string& bytes) {
  return quoted(std::string_view(bytes));
}
inline std::string quoted(const char* bytes) {
  return quoted(std::string_view(bytes));
}

/// As quoted(), without the quotes: for listings.
std::string escaped(std::string_view bytes);

/// Lower-case hex of `bytes`.
std::string to_hex(std::string_view bytes);

/// The whole of `text` as a decimal number (no sign, no space, no overflow), or nullopt.
std::optional<std::uint64_t> parse_decimal(std::string_view text) noexcept;

/// Pieces between separators; an empty text gives one empty piece.
std::vector<std::string_view> split(std::string_view text, char separator);

/// `count` lower-case hex digits from the kernel's random number generator.
std::string random_hex(std::size_t count);

}  // namespace layerkit
