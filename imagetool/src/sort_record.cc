#include "sort_record.h"

#include <algorithm>

namespace layerkit {
namespace {

/// No component holds a NUL, so that one between components sorts in front of any longer name, and
/// two of them in front of anything below.
constexpr std::string_view kEndOfPath("\0\0", 2);

}  // namespace

SortRecord& SortRecord::number(std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = bytes; i > 0; --i)
    text_ += static_cast<char>(value >> (8 * (i - 1)) & 0xffU);
  return *this;
}

SortRecord& SortRecord::bytes(std::string_view text) {
  text_ += text;
  return *this;
}

SortRecord& SortRecord::path(const RelPath& path) {
  const std::size_t begin = text_.size();
  text_ += path.str();
  std::replace(text_.begin() + static_cast<std::ptrdiff_t>(begin), text_.end(), '/', '\0');
  text_ += kEndOfPath;
  return *this;
}

std::uint64_t RecordFields::number(std::size_t bytes) {
  std::uint64_t value = 0;
  for (const char c : rest_.substr(0, bytes))
    value = value << 8U | static_cast<unsigned char>(c);
  rest_.remove_prefix(bytes);
  return value;
}

std::string_view RecordFields::bytes(std::size_t size) {
  const std::string_view text = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return text;
}

RelPath RecordFields::path() {
  const std::size_t size = rest_.find(kEndOfPath);
  std::string text(rest_.substr(0, size));
  std::ranges::replace(text, '\0', '/');
  rest_.remove_prefix(size + kEndOfPath.size());
  return RelPath::parse(text);
}

}  // namespace layerkit
