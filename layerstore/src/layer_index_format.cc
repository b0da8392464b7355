#include "layer_index_format.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "layerkit/base/error.h"
#include "packed_xattrs.h"

namespace layerkit::layer_index {
namespace {

constexpr std::size_t kCountOffset = kPayloadBytes - 2;
/// Kind and length of the name in front of it; behind it what all but whiteouts have.
constexpr std::size_t kRecordHead = 2;
constexpr std::size_t kRecordTail = 42;
constexpr std::uint32_t kNanoseconds = 1'000'000'000;

template <typename Number>
Number load(const std::byte* bytes) noexcept {
  std::uint64_t number = 0;
  for (std::size_t i = sizeof(Number); i > 0; --i) {
    number = number << 8U | std::to_integer<std::uint64_t>(bytes[i - 1]);
  }
  return static_cast<Number>(number);
}

template <typename Number>
void store(std::byte* bytes, Number number) noexcept {
  auto rest = static_cast<std::uint64_t>(number);
  for (std::size_t i = 0; i < sizeof(Number); ++i, rest >>= 8U) {
    bytes[i] = static_cast<std::byte>(rest & 0xffU);
  }
}

/// Takes or puts numbers one after the other.
class Reader {
 public:
  explicit Reader(const std::byte* at) : at_(at) {}
  template <typename Number>
  Number take() noexcept {
    const auto number = load<Number>(at_);
    at_ += sizeof(Number);
    return number;
  }

 private:
  const std::byte* at_;
};

class Writer {
 public:
  explicit Writer(std::byte* at) : at_(at) {}
  template <typename Number>
  void put(Number number) noexcept {
    store(at_, number);
    at_ += sizeof(Number);
  }

 private:
  std::byte* at_;
};

std::uint32_t checksum(const Page& page, std::uint64_t number) noexcept {
  std::array<std::byte, 8> place{};
  store(place.data(), number);
  const uLong start =
      ::crc32_z(0, reinterpret_cast<const unsigned char*>(place.data()), place.size());
  return static_cast<std::uint32_t>(
      ::crc32_z(start, reinterpret_cast<const unsigned char*>(page.data()), kPayloadBytes));
}

std::size_t slot_offset(std::size_t slot) noexcept {
  return kCountOffset - 2 * (slot + 1);
}

[[noreturn]] void damaged(std::string_view what) {
  fail(Errc::Integrity, "{}", what);
}

std::uint64_t device_number(const Entry& entry) noexcept {
  return std::uint64_t{entry.device_major} << 32U | entry.device_minor;
}

}  // namespace

bool page_is_whole(const Page& page, std::uint64_t number) noexcept {
  return load<std::uint32_t>(page.data() + kPayloadBytes) == checksum(page, number);
}

void seal_page(Page& page, std::uint64_t number) noexcept {
  store(page.data() + kPayloadBytes, checksum(page, number));
}

Header decode_header(const Page& page, std::uint64_t file_bytes) {
  if (std::memcmp(page.data(), kMagic.data(), kMagic.size()) != 0) {
    damaged("it does not start with 'layerkit-index 1'");
  }
  if (!page_is_whole(page, 0)) damaged("the checksum of page 0 is wrong");
  Reader reader(page.data() + kMagic.size());
  Header header;
  header.table_pages = reader.take<std::uint32_t>();
  header.directory_pages = reader.take<std::uint32_t>();
  header.extra_pages = reader.take<std::uint32_t>();
  header.directories = reader.take<std::uint32_t>();
  header.objects = reader.take<std::uint64_t>();
  header.extra_bytes = reader.take<std::uint64_t>();
  if (header.pages() * kPageBytes != file_bytes) {
    fail(Errc::Integrity, "it has {} bytes, its header says {}", file_bytes,
         header.pages() * kPageBytes);
  }
  const bool fits = header.table_pages > 0 && header.directories > 0 &&
                    header.directories <= header.directory_pages * kSpansPerPage &&
                    header.extra_bytes <= header.extra_pages * kPayloadBytes;
  if (!fits) damaged("its header contradicts itself");
  return header;
}

void encode_header(const Header& header, Page& page) {
  page.fill(std::byte{0});
  std::memcpy(page.data(), kMagic.data(), kMagic.size());
  Writer writer(page.data() + kMagic.size());
  writer.put(header.table_pages);
  writer.put(header.directory_pages);
  writer.put(header.extra_pages);
  writer.put(header.directories);
  writer.put(header.objects);
  writer.put(header.extra_bytes);
}

Span decode_span(const Page& page, std::size_t index) noexcept {
  Reader reader(page.data() + index * kSpanBytes);
  Span span;
  span.begin.page = reader.take<std::uint32_t>();
  span.end.page = reader.take<std::uint32_t>();
  span.begin.slot = reader.take<std::uint16_t>();
  span.end.slot = reader.take<std::uint16_t>();
  return span;
}

void encode_span(const Span& span, std::span<std::byte, kSpanBytes> bytes) noexcept {
  Writer writer(bytes.data());
  writer.put(span.begin.page);
  writer.put(span.end.page);
  writer.put(span.begin.slot);
  writer.put(span.end.slot);
}

std::size_t slot_count(const Page& page) {
  const std::size_t count = load<std::uint16_t>(page.data() + kCountOffset);
  if (count > kCountOffset / 2) damaged("a page has too many records");
  return count;
}

Record decode_record(const Page& page, std::size_t slot) {
  const std::size_t count = slot_count(page);
  if (slot >= count) damaged("a record is missing");
  const std::size_t end = slot_offset(count - 1);
  const std::size_t begin = load<std::uint16_t>(page.data() + slot_offset(slot));
  if (begin + kRecordHead > end) damaged("a record lies outside of its page");
  const auto kind = std::to_integer<std::uint8_t>(page[begin]);
  const auto name_bytes = std::to_integer<std::size_t>(page[begin + 1]);
  if (kind > kMaxKind) damaged("a record is of no known kind");
  Record record;
  record.kind = static_cast<Kind>(kind);
  const std::size_t tail = begin + kRecordHead + name_bytes;
  if (tail + (record.is_whiteout() ? 0 : kRecordTail) > end) {
    damaged("a record lies outside of its page");
  }
  record.name = {reinterpret_cast<const char*>(page.data()) + begin + kRecordHead, name_bytes};
  if (record.is_whiteout()) return record;
  Reader reader(page.data() + tail);
  record.mode = reader.take<std::uint16_t>();
  record.uid = reader.take<std::uint32_t>();
  record.gid = reader.take<std::uint32_t>();
  record.mtime.seconds = reader.take<std::int64_t>();
  record.mtime.nanoseconds = reader.take<std::uint32_t>();
  record.value = reader.take<std::uint64_t>();
  record.extra.offset = reader.take<std::uint64_t>();
  record.extra.bytes = reader.take<std::uint32_t>();
  return record;
}

bool add_record(Page& page, const Record& record, std::size_t& used_bytes) {
  const std::size_t count = load<std::uint16_t>(page.data() + kCountOffset);
  const std::size_t bytes =
      kRecordHead + record.name.size() + (record.is_whiteout() ? 0 : kRecordTail);
  if (used_bytes + bytes > slot_offset(count)) return false;
  store(page.data() + slot_offset(count), static_cast<std::uint16_t>(used_bytes));
  store(page.data() + kCountOffset, static_cast<std::uint16_t>(count + 1));
  std::byte* at = page.data() + used_bytes;
  at[0] = static_cast<std::byte>(record.kind);
  at[1] = static_cast<std::byte>(record.name.size());
  record.name.copy(reinterpret_cast<char*>(at + kRecordHead), record.name.size());
  used_bytes += bytes;
  if (record.is_whiteout()) return true;
  Writer writer(at + kRecordHead + record.name.size());
  writer.put(record.mode);
  writer.put(record.uid);
  writer.put(record.gid);
  writer.put(record.mtime.seconds);
  writer.put(record.mtime.nanoseconds);
  writer.put(record.value);
  writer.put(record.extra.offset);
  writer.put(record.extra.bytes);
  return true;
}

Record record_of(const Entry& entry) {
  Record record;
  if (entry.is_whiteout()) return record;
  constexpr std::array<Kind, 7> kKinds = {Kind::Regular,    Kind::Directory,   Kind::Symlink,
                                          Kind::CharDevice, Kind::BlockDevice, Kind::Fifo,
                                          Kind::Socket};
  record.kind = entry.hides == Hides::Below ? Kind::OpaqueDirectory
                                            : kKinds.at(static_cast<std::size_t>(entry.type));
  record.mode = static_cast<std::uint16_t>(entry.mode);
  record.uid = entry.uid;
  record.gid = entry.gid;
  record.mtime = entry.mtime;
  record.value = entry.type == FileType::Regular ? entry.size : device_number(entry);
  return record;
}

Entry entry_of(const Record& record) {
  constexpr std::array<FileType, kMaxKind + 1> kTypes = {
      FileType::Regular,     FileType::Regular, FileType::Directory,
      FileType::Directory,   FileType::Symlink, FileType::CharDevice,
      FileType::BlockDevice, FileType::Fifo,    FileType::Socket};
  Entry entry;
  if (record.is_whiteout()) {
    entry.hides = Hides::Path;
    return entry;
  }
  if (record.mode > 07777 || record.mtime.nanoseconds >= kNanoseconds) {
    damaged("a record has an impossible mode or time");
  }
  entry.type = kTypes.at(static_cast<std::size_t>(record.kind));
  if (record.kind == Kind::OpaqueDirectory) entry.hides = Hides::Below;
  entry.mode = record.mode;
  entry.uid = record.uid;
  entry.gid = record.gid;
  entry.mtime = record.mtime;
  if (record.kind == Kind::Regular) entry.size = record.value;
  if (record.kind == Kind::CharDevice || record.kind == Kind::BlockDevice) {
    entry.device_major = static_cast<std::uint32_t>(record.value >> 32U);
    entry.device_minor = static_cast<std::uint32_t>(record.value & UINT32_MAX);
  }
  return entry;
}

std::string encode_extra(const Entry& entry) {
  std::string bytes;
  if (entry.type == FileType::Symlink) append_text(bytes, entry.symlink_target);
  return bytes + encode_xattrs(entry.xattrs);
}

void decode_extra(std::string_view bytes, Entry& entry) {
  if (entry.type == FileType::Symlink && !entry.is_whiteout()) {
    entry.symlink_target = take_text(bytes);
  }
  entry.xattrs = decode_xattrs(bytes);
}

}  // namespace layerkit::layer_index
