#include "packed_xattrs.h"

#include <cstdint>

#include "layerkit/base/error.h"

namespace layerkit {
namespace {

constexpr unsigned kSizeBytes = 4;

}  // namespace

void append_text(std::string& to, std::string_view text) {
  for (unsigned i = 0; i < kSizeBytes; ++i)
    to += static_cast<char>(text.size() >> (8 * i) & 0xffU);
  to.append(text);
}

std::string_view take_text(std::string_view& bytes) {
  std::uint64_t size = kSizeBytes;
  for (unsigned i = 0; i < kSizeBytes && bytes.size() >= kSizeBytes; ++i) {
    size += std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  }
  if (size > bytes.size()) fail(Errc::Integrity, "a target or xattr is cut off");
  const std::string_view text = bytes.substr(kSizeBytes, size - kSizeBytes);
  bytes.remove_prefix(size);
  return text;
}

std::string encode_xattrs(const Xattrs& xattrs) {
  std::string bytes;
  for (const auto& [name, value] : xattrs) {
    append_text(bytes, name);
    append_text(bytes, value);
  }
  return bytes;
}

Xattrs decode_xattrs(std::string_view bytes) {
  Xattrs xattrs;
  while (!bytes.empty()) {
    std::string name(take_text(bytes));
    const std::string_view value = take_text(bytes);
    if (!xattrs.empty() && xattrs.rbegin()->first >= name) {
      fail(Errc::Integrity, "xattrs are not sorted");
    }
    xattrs.emplace(std::move(name), value);
  }
  return xattrs;
}

}  // namespace layerkit
