#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "layerkit/base/error.h"
#include "layerkit/layerstore/tar.h"

namespace layerkit::testing {

inline constexpr std::string_view kUstarMagicText("ustar\00000", 8);
inline constexpr std::string_view kGnuMagicText("ustar  \0", 8);
inline constexpr std::string_view kNoMagic("\0\0\0\0\0\0\0\0", 8);

/// A tar header as its bytes are, numbers as text: for archives that no program would write.
struct RawHeader {
  std::string name = "file";
  char type = '0';
  std::uint64_t size = 0;
  std::string link_name = {};
  std::string mode = "0000644";
  std::string uid = "0000000";
  std::string gid = "0000000";
  std::string mtime = "00000000000";
  std::string_view magic = kUstarMagicText;
  std::string device_major = "0000000";
  std::string device_minor = "0000000";
  std::string prefix = {};
  /// Bytes to put at a place of their own before the checksum is made.
  std::vector<std::pair<std::size_t, std::string>> patches = {};
};

inline std::string octal(std::uint64_t value, int digits) {
  std::string text;
  for (int i = 0; i < digits; ++i, value /= 8) {
    text.insert(text.begin(), static_cast<char>('0' + value % 8));
  }
  return text;
}

/// Fills in the checksum of a block.
inline void set_checksum(std::string& block) {
  block.replace(148, 8, 8, ' ');
  std::uint64_t sum = 0;
  for (const char byte : block)
    sum += static_cast<unsigned char>(byte);
  block.replace(148, 7, octal(sum, 6) + '\0');
}

inline std::string raw_header(const RawHeader& header) {
  std::string block(512, '\0');
  const auto put = [&block](std::size_t at, std::string_view text) {
    block.replace(at, text.size(), text);
  };
  put(0, std::string_view(header.name).substr(0, 100));
  put(100, header.mode);
  put(108, header.uid);
  put(116, header.gid);
  put(124, octal(header.size, 11));
  put(136, header.mtime);
  put(156, std::string(1, header.type));
  put(157, std::string_view(header.link_name).substr(0, 100));
  put(257, header.magic);
  if (header.magic != kNoMagic) {
    put(329, header.device_major);
    put(337, header.device_minor);
  }
  put(345, header.prefix);
  for (const auto& [at, bytes] : header.patches)
    put(at, bytes);
  set_checksum(block);
  return block;
}

/// `body` filled up to whole blocks.
inline std::string padded(std::string body) {
  body.resize((body.size() + 511) / 512 * 512, '\0');
  return body;
}

/// A header that says the size of `body`, and the body.
inline std::string raw_member(RawHeader header, const std::string& body) {
  header.size = body.size();
  return raw_header(header) + padded(body);
}

inline std::string raw_file(const std::string& name, const std::string& body = {}) {
  return raw_member({.name = name}, body);
}

inline std::string pax_record(std::string_view key, std::string_view value) {
  const std::string rest = " " + std::string(key) + "=" + std::string(value) + "\n";
  std::size_t length = rest.size();
  while (std::to_string(length).size() + rest.size() != length)
    ++length;
  return std::to_string(length) + rest;
}

inline std::string pax_header(const std::string& records, char type = 'x') {
  return raw_member({.name = "PaxHeaders/x", .type = type}, records);
}

inline std::string tar_end() {
  return std::string(1024, '\0');
}

struct TarItem {
  Entry entry;
  std::string contents;
  bool operator==(const TarItem&) const = default;
};

inline std::vector<TarItem> read_tar(ByteSource& source,
                                     TarDialect dialect = TarDialect::Layer,
                                     const TarLimits& limits = {},
                                     TarObserver* observer = nullptr) {
  std::vector<TarItem> items;
  const auto reader = make_tar_reader(source, dialect, limits, observer);
  while (auto entry = reader->next()) {
    std::string contents = read_all(reader->contents(), std::size_t{64} << 20, "contents");
    items.push_back({std::move(*entry), std::move(contents)});
  }
  return items;
}

inline std::vector<TarItem> read_tar(std::string_view bytes,
                                     TarDialect dialect = TarDialect::Layer,
                                     const TarLimits& limits = {},
                                     TarObserver* observer = nullptr) {
  MemorySource source(bytes);
  return read_tar(source, dialect, limits, observer);
}

/// The only entry of a tar of these members.
inline Entry read_one(const std::string& members, TarDialect dialect = TarDialect::Layer) {
  const auto items = read_tar(members + tar_end(), dialect);
  if (items.size() != 1) fail(Errc::Invalid, "the test's tar has {} entries", items.size());
  return items.front().entry;
}

/// A source that gives `chunk` bytes at a time.
class SlowSource final : public ByteSource {
 public:
  SlowSource(std::string_view bytes, std::size_t chunk) : inner_(bytes), chunk_(chunk) {}
  std::size_t read(std::span<std::byte> buffer) override {
    return inner_.read(buffer.first(std::min(buffer.size(), chunk_)));
  }

 private:
  MemorySource inner_;
  std::size_t chunk_;
};

}  // namespace layerkit::testing
