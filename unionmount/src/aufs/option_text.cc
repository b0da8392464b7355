#include "option_text.h"

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

constexpr std::size_t kMaxWarnings = 100;
constexpr std::size_t kShownBytes = 200;

bool is_escapable(char character) noexcept {
  return kEscapable.find(character) != std::string_view::npos;
}

/// Whether the backslash at `at` belongs to the character behind it.
bool is_escape(std::string_view text, std::size_t at) noexcept {
  return text[at] == '\\' && at + 1 < text.size() && is_escapable(text[at + 1]);
}

}  // namespace

std::size_t find_unescaped(std::string_view text, char wanted) noexcept {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_escape(text, i)) {
      ++i;
    } else if (text[i] == wanted) {
      return i;
    }
  }
  return std::string_view::npos;
}

std::vector<std::string_view> split_unescaped(std::string_view text, char separator) {
  std::vector<std::string_view> pieces;
  for (;;) {
    const std::size_t at = find_unescaped(text, separator);
    pieces.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return pieces;
    text.remove_prefix(at + 1);
  }
}

std::string unescape(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_escape(text, i)) ++i;
    plain += text[i];
  }
  return plain;
}

std::string escape(std::string_view text, std::string_view special) {
  std::string escaped_text;
  escaped_text.reserve(text.size());
  for (const char character : text) {
    // A backslash always: whether it would be read as one depends on what is put behind it.
    if (character == '\\' || special.find(character) != std::string_view::npos)
      escaped_text += '\\';
    escaped_text += character;
  }
  return escaped_text;
}

std::string parse_path(std::string_view text) {
  if (text.empty()) fail(Errc::Invalid, "the path is empty");
  return unescape(text);
}

std::uint64_t parse_number(std::string_view text, std::uint64_t max) {
  const std::optional<std::uint64_t> number = parse_decimal(text);
  const bool leading_zero = text.size() > 1 && text.front() == '0';
  if (!number || leading_zero)
    fail(Errc::Invalid, "{} is not a decimal number", quoted_start(text));
  if (*number > max) fail(Errc::Invalid, "the number {} is not between 0 and {}", *number, max);
  return *number;
}

std::string quoted_start(std::string_view text) {
  if (text.size() <= kShownBytes) return quoted(text);
  return quoted(text.substr(0, kShownBytes)) + "...";
}

void add_warning(std::vector<std::string>& warnings, std::string warning) {
  if (warnings.size() < kMaxWarnings) {
    warnings.push_back(std::move(warning));
  } else if (warnings.size() == kMaxWarnings) {
    warnings.emplace_back("more was ignored");
  }
}

}  // namespace layerkit
