#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace layerkit {

// The writing of option strings: a backslash before one of these makes it an ordinary character.
inline constexpr std::string_view kEscapable = ",:=\\";

/// Where `wanted` stands first without a backslash, or npos.
std::size_t find_unescaped(std::string_view text, char wanted) noexcept;
/// Pieces between separators that have no backslash; an empty text gives one empty piece.
std::vector<std::string_view> split_unescaped(std::string_view text, char separator);
std::string unescape(std::string_view text);
/// Puts a backslash before each of `special` (of kEscapable) and wherever one would be read.
std::string escape(std::string_view text, std::string_view special);

/// A path, unescaped. Throws Error{Invalid} when it is empty.
std::string parse_path(std::string_view text);
/// A decimal number without leading zeros (the kernel would take those for octal), at most `max`.
/// Throws Error{Invalid}.
std::uint64_t parse_number(std::string_view text, std::uint64_t max);

/// Quoted, and cut where it is long: for messages about text that may have any length.
std::string quoted_start(std::string_view text);
/// Adds a warning, up to a number that a hostile text cannot exceed.
void add_warning(std::vector<std::string>& warnings, std::string warning);

}  // namespace layerkit
