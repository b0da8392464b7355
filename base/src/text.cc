#include "layerkit/base/text.h"

#include <fmt/core.h>
#include <sys/random.h>

#include <charconv>

#include "layerkit/base/error.h"

namespace layerkit {
namespace {

/// No path is longer.
constexpr std::size_t kShownBytes = 4096;
constexpr std::string_view kHexDigits = "0123456789abcdef";

unsigned char byte_at(std::string_view bytes, std::size_t index) {
  return static_cast<unsigned char>(bytes[index]);
}

/// Length of the valid UTF-8 sequence at the front, or 0. Refuses overlong forms, surrogates and
/// C1 controls (which terminals obey).
std::size_t utf8_length(std::string_view bytes) {
  const unsigned char lead = byte_at(bytes, 0);
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || bytes.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte_at(bytes, i) & 0xc0) != 0x80) return 0;
  }
  const unsigned char second = byte_at(bytes, 1);
  if (lead == 0xc2 && second < 0xa0) return 0;
  if (lead == 0xe0 && second < 0xa0) return 0;
  if (lead == 0xed && second > 0x9f) return 0;
  if (lead == 0xf0 && second < 0x90) return 0;
  if (lead == 0xf4 && second > 0x8f) return 0;
  return length;
}

void append_escaped_byte(std::string& out, unsigned char byte) {
  switch (byte) {
    case '\n':
      out += "\\n";
      return;
    case '\t':
      out += "\\t";
      return;
    case '\r':
      out += "\\r";
      return;
    default:
      out += fmt::format("\\x{:02x}", byte);
  }
}

std::string escape(std::string_view bytes, std::string_view also) {
  std::string out;
  out.reserve(bytes.size() + 2);
  while (!bytes.empty()) {
    const unsigned char byte = byte_at(bytes, 0);
    if (byte >= 0x80) {
      if (const std::size_t length = utf8_length(bytes); length > 0) {
        out.append(bytes.substr(0, length));
        bytes.remove_prefix(length);
        continue;
      }
      append_escaped_byte(out, byte);
    } else if (byte < 0x20 || byte == 0x7f) {
      append_escaped_byte(out, byte);
    } else {
      if (also.find(bytes[0]) != std::string_view::npos) out += '\\';
      out += bytes[0];
    }
    bytes.remove_prefix(1);
  }
  return out;
}

}  // namespace

std::string quoted(std::string_view bytes) {
  if (bytes.size() > kShownBytes)
    return fmt::format("'{}...' ({} bytes)", escape(bytes.substr(0, kShownBytes), "\\'"),
                       bytes.size());
  return "'" + escape(bytes, "\\'") + "'";
}

std::string escaped(std::string_view bytes) {
  return escape(bytes, "\\");
}

std::string to_hex(std::string_view bytes) {
  std::string hex;
  hex.reserve(bytes.size() * 2);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    hex += kHexDigits[byte_at(bytes, i) >> 4];
    hex += kHexDigits[byte_at(bytes, i) & 0xf];
  }
  return hex;
}

std::optional<std::uint64_t> parse_decimal(std::string_view text) noexcept {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || text.empty()) return std::nullopt;
  return value;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> pieces;
  for (;;) {
    const std::size_t at = text.find(separator);
    pieces.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return pieces;
    text.remove_prefix(at + 1);
  }
}

std::string random_hex(std::size_t count) {
  std::string bytes((count + 1) / 2, '\0');
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got = ::getrandom(bytes.data() + filled, bytes.size() - filled, 0);
    if (got < 0 && errno != EINTR) fail_errno(errno, "reading random bytes");
    if (got > 0) filled += static_cast<std::size_t>(got);
  }
  return to_hex(bytes).substr(0, count);
}

}  // namespace layerkit
