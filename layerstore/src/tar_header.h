#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace layerkit {

inline constexpr std::size_t kTarBlock = 512;

/// Bytes that fill `size` up to a whole number of blocks.
constexpr std::uint64_t tar_padding(std::uint64_t size) noexcept {
  return (kTarBlock - size % kTarBlock) % kTarBlock;
}

/// Who laid out the bytes after the link name.
enum class TarFormat {
  V7,     ///< nothing there
  Ustar,  ///< POSIX 1003.1: owner names, devices, name prefix
  Star,   ///< ustar with a shorter prefix
  Gnu,    ///< no prefix; times and a sparse map in its place
};

/// Type flags as in POSIX 1003.1 (pax, "ustar Interchange Format") and GNU tar's tar.h.
namespace tar_type {
inline constexpr char kRegular = '0';
inline constexpr char kRegularV7 = '\0';
inline constexpr char kHardLink = '1';
inline constexpr char kSymlink = '2';
inline constexpr char kCharDevice = '3';
inline constexpr char kBlockDevice = '4';
inline constexpr char kDirectory = '5';
inline constexpr char kFifo = '6';
inline constexpr char kContiguous = '7';
inline constexpr char kPaxEntry = 'x';
inline constexpr char kPaxGlobal = 'g';
inline constexpr char kGnuLongName = 'L';
inline constexpr char kGnuLongLink = 'K';
inline constexpr char kGnuSparse = 'S';
}  // namespace tar_type

/// A numeric field: octal digits after spaces or NULs, up to a space or NUL; or base-256 (first
/// bit set, two's complement, big-endian). All blank is 0. Throws Error{Invalid} naming `field`.
std::int64_t parse_tar_number(std::span<const std::byte> bytes, std::string_view field);
/// As parse_tar_number; negative numbers are Error{Invalid} too.
std::uint64_t parse_tar_size(std::span<const std::byte> bytes, std::string_view field);

/// One header block, read in place. The block must outlive it.
class TarHeader final {
 public:
  explicit TarHeader(std::span<const std::byte, kTarBlock> block) : block_(block) {}

  bool is_zero() const noexcept;
  /// Summed as unsigned bytes (POSIX) or signed ones (some old tars).
  bool checksum_matches() const noexcept;

  TarFormat format() const noexcept;
  char type() const noexcept;
  /// With the prefix, where the format has one.
  std::string name() const;
  std::string link_name() const;

  std::uint64_t mode() const;
  std::uint64_t uid() const;
  std::uint64_t gid() const;
  std::uint64_t size() const;
  std::int64_t mtime() const;
  /// 0 in the v7 format.
  std::uint64_t device_major() const;
  std::uint64_t device_minor() const;

  std::span<const std::byte> bytes(std::size_t offset, std::size_t count) const {
    return block_.subspan(offset, count);
  }

 private:
  std::string text(std::size_t offset, std::size_t count) const;

  std::span<const std::byte, kTarBlock> block_;
};

/// What a ustar header can say.
struct UstarFields {
  std::string_view name;      ///< at most 100 bytes are written
  std::string_view prefix;    ///< at most 155
  std::string_view linkname;  ///< at most 100
  std::uint64_t mode = 0;
  std::uint64_t uid = 0;
  std::uint64_t gid = 0;
  std::uint64_t size = 0;
  std::uint64_t mtime = 0;
  char type = tar_type::kRegular;
  std::uint64_t device_major = 0;
  std::uint64_t device_minor = 0;
};

inline constexpr std::size_t kUstarName = 100;
inline constexpr std::size_t kUstarPrefix = 155;
inline constexpr std::uint64_t kUstarMaxId = 07777777;           ///< ids and device numbers
inline constexpr std::uint64_t kUstarMaxNumber = 077777777777U;  ///< sizes and times

/// REQUIRES: the numbers fit their fields.
void format_ustar(const UstarFields& fields, std::span<std::byte, kTarBlock> block);

}  // namespace layerkit
