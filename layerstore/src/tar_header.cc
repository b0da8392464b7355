#include "tar_header.h"

#include <algorithm>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/error.h"

namespace layerkit {
namespace {

struct Field {
  std::size_t offset;
  std::size_t size;
};

constexpr Field kName{0, 100};
constexpr Field kMode{100, 8};
constexpr Field kUid{108, 8};
constexpr Field kGid{116, 8};
constexpr Field kSize{124, 12};
constexpr Field kMtime{136, 12};
constexpr Field kChecksum{148, 8};
constexpr Field kType{156, 1};
constexpr Field kLinkName{157, 100};
constexpr Field kMagic{257, 8};
constexpr Field kDeviceMajor{329, 8};
constexpr Field kDeviceMinor{337, 8};
constexpr Field kPrefix{345, 155};
constexpr Field kStarPrefix{345, 131};
constexpr Field kStarTrailer{508, 4};

constexpr std::string_view kUstarMagic("ustar\0", 6);
constexpr std::string_view kUstarVersion("00", 2);
constexpr std::string_view kGnuMagic("ustar  \0", 8);
constexpr std::string_view kStarMark("tar\0", 4);

unsigned byte_value(std::byte byte) {
  return std::to_integer<unsigned>(byte);
}

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::int64_t parse_base256(std::span<const std::byte> bytes, std::string_view field) {
  // The first bit marks the encoding, the second is the sign.
  const bool negative = (byte_value(bytes[0]) & 0x40U) != 0;
  const unsigned first = negative ? byte_value(bytes[0]) : byte_value(bytes[0]) & 0x7fU;
  std::uint64_t value = negative ? ~std::uint64_t{0} : 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto lost = static_cast<std::int64_t>(value) >> 55;
    if (lost != 0 && lost != -1) fail(Errc::Invalid, "its {} is too large", field);
    value = value << 8U | (i == 0 ? first : byte_value(bytes[i]));
  }
  return static_cast<std::int64_t>(value);
}

/// NUL-terminated octal with leading zeros that fills the field.
void put_octal(std::span<std::byte, kTarBlock> block, Field field, std::uint64_t value) {
  for (std::size_t i = field.size - 1; i-- > 0; value >>= 3U) {
    block[field.offset + i] = static_cast<std::byte>('0' + (value & 7U));
  }
}

void put_text(std::span<std::byte, kTarBlock> block, Field field, std::string_view text) {
  const auto bytes = as_bytes(text.substr(0, field.size));
  std::copy(bytes.begin(), bytes.end(), block.subspan(field.offset).begin());
}

/// The checksum field itself counts as eight spaces.
template <typename Value>
std::int64_t sum(std::span<const std::byte, kTarBlock> block, Value&& value) {
  std::int64_t total = 0;
  for (const std::byte byte : block)
    total += value(byte);
  for (const std::byte byte : block.subspan(kChecksum.offset, kChecksum.size)) {
    total -= value(byte);
  }
  return total + std::int64_t{' '} * static_cast<std::int64_t>(kChecksum.size);
}

std::int64_t unsigned_sum(std::span<const std::byte, kTarBlock> block) {
  return sum(block, [](std::byte byte) { return std::to_integer<unsigned char>(byte); });
}

std::int64_t signed_sum(std::span<const std::byte, kTarBlock> block) {
  return sum(block, [](std::byte byte) { return std::to_integer<signed char>(byte); });
}

}  // namespace

std::int64_t parse_tar_number(std::span<const std::byte> bytes, std::string_view field) {
  if (!bytes.empty() && (byte_value(bytes[0]) & 0x80U) != 0) return parse_base256(bytes, field);
  constexpr std::string_view kBlank(" \0", 2);
  std::string_view text = as_text(bytes);
  text.remove_prefix(std::min(text.find_first_not_of(kBlank), text.size()));
  const std::string_view digits = text.substr(0, text.find_first_of(kBlank));
  // Bytes after a NUL are nobody's; after a space only blanks may follow.
  std::string_view rest = text.substr(digits.size());
  rest = rest.substr(0, rest.find('\0'));
  std::int64_t value = 0;
  for (const char digit : digits) {
    if (digit < '0' || digit > '7') fail(Errc::Invalid, "its {} is not a number", field);
    if (value >> 60 != 0) fail(Errc::Invalid, "its {} is too large", field);
    value = value * 8 + (digit - '0');
  }
  if (rest.find_first_not_of(' ') != std::string_view::npos) {
    fail(Errc::Invalid, "its {} is not a number", field);
  }
  return value;
}

std::uint64_t parse_tar_size(std::span<const std::byte> bytes, std::string_view field) {
  const std::int64_t value = parse_tar_number(bytes, field);
  if (value < 0) fail(Errc::Invalid, "its {} is negative", field);
  return static_cast<std::uint64_t>(value);
}

bool TarHeader::is_zero() const noexcept {
  return std::all_of(block_.begin(), block_.end(), [](std::byte b) { return b == std::byte{0}; });
}

bool TarHeader::checksum_matches() const noexcept {
  std::int64_t stored = 0;
  try {
    stored = parse_tar_number(bytes(kChecksum.offset, kChecksum.size), "checksum");
  } catch (const Error&) {
    return false;
  }
  return stored == unsigned_sum(block_) || stored == signed_sum(block_);
}

TarFormat TarHeader::format() const noexcept {
  const std::string_view magic = as_text(bytes(kMagic.offset, kMagic.size));
  if (magic == kGnuMagic) return TarFormat::Gnu;
  if (!magic.starts_with(kUstarMagic)) return TarFormat::V7;
  const bool star = as_text(bytes(kStarTrailer.offset, kStarTrailer.size)) == kStarMark;
  return star ? TarFormat::Star : TarFormat::Ustar;
}

char TarHeader::type() const noexcept {
  return static_cast<char>(byte_value(block_[kType.offset]));
}

std::string TarHeader::name() const {
  std::string prefix;
  if (format() == TarFormat::Ustar) prefix = text(kPrefix.offset, kPrefix.size);
  if (format() == TarFormat::Star) prefix = text(kStarPrefix.offset, kStarPrefix.size);
  const std::string name = text(kName.offset, kName.size);
  return prefix.empty() ? name : prefix + "/" + name;
}

std::string TarHeader::link_name() const {
  return text(kLinkName.offset, kLinkName.size);
}

std::uint64_t TarHeader::mode() const {
  return parse_tar_size(bytes(kMode.offset, kMode.size), "mode");
}

std::uint64_t TarHeader::uid() const {
  return parse_tar_size(bytes(kUid.offset, kUid.size), "uid");
}

std::uint64_t TarHeader::gid() const {
  return parse_tar_size(bytes(kGid.offset, kGid.size), "gid");
}

std::uint64_t TarHeader::size() const {
  return parse_tar_size(bytes(kSize.offset, kSize.size), "size");
}

std::int64_t TarHeader::mtime() const {
  return parse_tar_number(bytes(kMtime.offset, kMtime.size), "mtime");
}

std::uint64_t TarHeader::device_major() const {
  if (format() == TarFormat::V7) return 0;
  return parse_tar_size(bytes(kDeviceMajor.offset, kDeviceMajor.size), "device number");
}

std::uint64_t TarHeader::device_minor() const {
  if (format() == TarFormat::V7) return 0;
  return parse_tar_size(bytes(kDeviceMinor.offset, kDeviceMinor.size), "device number");
}

std::string TarHeader::text(std::size_t offset, std::size_t count) const {
  const std::string_view field = as_text(bytes(offset, count));
  return std::string(field.substr(0, field.find('\0')));
}

void format_ustar(const UstarFields& fields, std::span<std::byte, kTarBlock> block) {
  std::fill(block.begin(), block.end(), std::byte{0});
  put_text(block, kName, fields.name);
  put_octal(block, kMode, fields.mode);
  put_octal(block, kUid, fields.uid);
  put_octal(block, kGid, fields.gid);
  put_octal(block, kSize, fields.size);
  put_octal(block, kMtime, fields.mtime);
  block[kType.offset] = static_cast<std::byte>(fields.type);
  put_text(block, kLinkName, fields.linkname);
  put_text(block, kMagic, kUstarMagic);
  put_text(block, {kMagic.offset + kUstarMagic.size(), kUstarVersion.size()}, kUstarVersion);
  put_octal(block, kDeviceMajor, fields.device_major);
  put_octal(block, kDeviceMinor, fields.device_minor);
  put_text(block, kPrefix, fields.prefix);
  // Six digits, NUL, space: as every tar has written it since v7.
  put_octal(block, {kChecksum.offset, kChecksum.size - 1}, std::uint64_t(unsigned_sum(block)));
  block[kChecksum.offset + kChecksum.size - 1] = std::byte{' '};
}

}  // namespace layerkit
