#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "layerkit/base/entry.h"

namespace layerkit::layer_index {

// The bytes of an index: docs/formats/store.md, "index". Numbers are little endian.

inline constexpr std::string_view kMagic = "layerkit-index 1";
inline constexpr std::size_t kPageBytes = 4096;
/// What a page holds besides its checksum.
inline constexpr std::size_t kPayloadBytes = kPageBytes - 4;
inline constexpr std::size_t kSpanBytes = 12;
inline constexpr std::size_t kSpansPerPage = kPayloadBytes / kSpanBytes;
inline constexpr std::size_t kMaxNameBytes = 255;
/// Target and xattrs of one object; the kernel allows about 64 KiB of names and 64 KiB a value.
inline constexpr std::uint32_t kMaxExtraBytes = std::uint32_t{64} << 20;

using Page = std::array<std::byte, kPageBytes>;

enum class Kind : std::uint8_t {
  Whiteout = 0,
  Regular = 1,
  Directory = 2,
  OpaqueDirectory = 3,
  Symlink = 4,
  CharDevice = 5,
  BlockDevice = 6,
  Fifo = 7,
  Socket = 8,
};
inline constexpr std::uint8_t kMaxKind = 8;

/// Page 0.
struct Header {
  std::uint32_t table_pages = 0;
  std::uint32_t directory_pages = 0;
  std::uint32_t extra_pages = 0;
  std::uint32_t directories = 0;
  std::uint64_t objects = 0;  ///< the root is one
  std::uint64_t extra_bytes = 0;

  std::uint64_t first_directory_page() const noexcept { return std::uint64_t{1} + table_pages; }
  std::uint64_t first_extra_page() const noexcept {
    return first_directory_page() + directory_pages;
  }
  std::uint64_t pages() const noexcept { return first_extra_page() + extra_pages; }
};

/// A record in the table pages.
struct Place {
  std::uint32_t page = 1;
  std::uint16_t slot = 0;
  auto operator<=>(const Place&) const = default;
};

/// The children of one directory: from `begin` up to `end`, sorted by name.
struct Span {
  Place begin;
  Place end;
};

/// Target and xattrs of an object; `bytes` 0: it has none.
struct Extra {
  std::uint64_t offset = 0;
  std::uint32_t bytes = 0;
};

/// A record, decoded. `name` points into the page.
struct Record {
  Kind kind = Kind::Whiteout;
  std::string_view name;
  std::uint16_t mode = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  Timestamp mtime;
  std::uint64_t value = 0;  ///< size, device number, or number of the directory
  Extra extra;

  bool is_whiteout() const noexcept { return kind == Kind::Whiteout; }
  bool is_directory() const noexcept {
    return kind == Kind::Directory || kind == Kind::OpaqueDirectory;
  }
};

/// Whether the checksum is that of this page at this place.
bool page_is_whole(const Page& page, std::uint64_t number) noexcept;
void seal_page(Page& page, std::uint64_t number) noexcept;

/// Throws Error{Integrity} unless it is the header of a file of that many bytes.
Header decode_header(const Page& page, std::uint64_t file_bytes);
void encode_header(const Header& header, Page& page);

Span decode_span(const Page& page, std::size_t index) noexcept;
void encode_span(const Span& span, std::span<std::byte, kSpanBytes> bytes) noexcept;

/// How many records a table page has. Throws Error{Integrity} when that is impossible.
std::size_t slot_count(const Page& page);
/// Throws Error{Integrity} for a record that does not lie within the page.
Record decode_record(const Page& page, std::size_t slot);
/// Whether the page has room for one more record; adds it then.
bool add_record(Page& page, const Record& record, std::size_t& used_bytes);

/// What goes into a record, but for name, extra and number of the directory.
Record record_of(const Entry& entry);
/// The other way round, but for path, target and xattrs. Throws Error{Integrity}.
Entry entry_of(const Record& record);

/// Target and xattrs; empty when the entry has neither.
std::string encode_extra(const Entry& entry);
/// Throws Error{Integrity} unless `bytes` is what encode_extra gives for such an entry.
void decode_extra(std::string_view bytes, Entry& entry);

}  // namespace layerkit::layer_index
