#pragma once

#include <fmt/core.h>

#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "raw_tar.h"
#include "sample_layer.h"

namespace layerkit::testing {

/// A tar that some program writes, or none should, and its name in test output.
struct OddTar {
  const char* name;
  std::string bytes;
};

inline std::ostream& operator<<(std::ostream& out, const OddTar& tar) {
  return out << tar.name << ", " << tar.bytes.size() << " bytes";
}

/// Fields of a header in base-256: the first bit set, then a number.
inline std::string base256(std::uint64_t value, std::size_t width) {
  std::string text(width, '\0');
  for (std::size_t i = width; i > 0 && value > 0; --i, value >>= 8U)
    text[i - 1] = static_cast<char>(value & 0xffU);
  text[0] = static_cast<char>(text[0] | '\x80');
  return text;
}

inline std::string gnu_number(std::uint64_t value) {
  return octal(value, 11) + '\0';
}

/// GNU's old sparse format: `size` bytes, of which "data" stands at each of `offsets`.
inline std::string old_sparse(const std::string& name,
                              std::uint64_t size,
                              const std::vector<std::uint64_t>& offsets) {
  constexpr std::size_t kInHeader = 4;
  constexpr std::size_t kInExtension = 21;
  RawHeader header{.name = name,
                   .type = 'S',
                   .size = offsets.size() * 512,
                   .magic = kGnuMagicText,
                   .device_major = "",
                   .device_minor = ""};
  const auto piece = [&](std::size_t i) { return gnu_number(offsets[i]) + gnu_number(512); };
  std::size_t next = 0;
  for (; next < offsets.size() && next < kInHeader; ++next)
    header.patches.emplace_back(386 + 24 * next, piece(next));
  if (next < offsets.size()) header.patches.emplace_back(482, "\1");
  header.patches.emplace_back(483, size >> 33U == 0 ? gnu_number(size) : base256(size, 12));
  std::string extensions;
  while (next < offsets.size()) {
    std::string block(512, '\0');
    for (std::size_t i = 0; i < kInExtension && next < offsets.size(); ++i, ++next)
      block.replace(24 * i, 24, piece(next));
    if (next < offsets.size()) block[504] = '\1';
    extensions += block;
  }
  std::string data;
  for (std::size_t i = 0; i < offsets.size(); ++i)
    data += std::string(512, static_cast<char>('a' + i % 26));
  return raw_header(header) + extensions + data;
}

inline std::string pax_sparse_10(const std::string& name, std::uint64_t size) {
  return pax_header(pax_record("GNU.sparse.major", "1") + pax_record("GNU.sparse.minor", "0") +
                    pax_record("GNU.sparse.name", name) +
                    pax_record("GNU.sparse.realsize", std::to_string(size))) +
         raw_member({.name = "GNUSparseFile.1/x"},
                    padded(fmt::format("2\n0\n5\n{}\n4\n", size - 4)) + "headstail");
}

inline std::string pax_sparse_01(const std::string& name) {
  return pax_header(pax_record("GNU.sparse.size", "100000") +
                    pax_record("GNU.sparse.numblocks", "2") + pax_record("GNU.sparse.name", name) +
                    pax_record("GNU.sparse.map", "0,5,99996,4")) +
         raw_member({.name = "x"}, "headstail");
}

inline std::string pax_sparse_00(const std::string& name) {
  return pax_header(
             pax_record("GNU.sparse.size", "100000") + pax_record("GNU.sparse.numblocks", "2") +
             pax_record("GNU.sparse.offset", "0") + pax_record("GNU.sparse.numbytes", "5") +
             pax_record("GNU.sparse.offset", "99996") + pax_record("GNU.sparse.numbytes", "4")) +
         raw_member({.name = name}, "headstail");
}

inline std::string v7_header(const std::string& name, char type, std::uint64_t size) {
  return raw_header({.name = name, .type = type, .size = size, .magic = kNoMagic});
}

/// Sums a header's bytes as signed numbers, as some old tars did.
inline std::string with_signed_checksum(std::string block) {
  block.replace(148, 8, 8, ' ');
  int sum = 0;
  for (const char byte : block)
    sum += static_cast<signed char>(byte);
  block.replace(148, 8, octal(static_cast<std::uint64_t>(sum), 6) + std::string("\0 ", 2));
  return block;
}

inline std::vector<OddTar> sparse_tars() {
  return {
      {"gnu_sparse_old", old_sparse("s", 100'000, {0, 4096, 50'176}) + tar_end()},
      {"gnu_sparse_old_with_extensions",
       [] {
         std::vector<std::uint64_t> offsets;
         for (std::uint64_t i = 0; i < 60; ++i)
           offsets.push_back(i * 8192);
         return old_sparse("s", 1'000'000, offsets) + tar_end();
       }()},
      {"gnu_sparse_old_of_8_gib",
       old_sparse("s", std::uint64_t{8} << 30, {0, (std::uint64_t{8} << 30) - 512}) + tar_end()},
      {"gnu_sparse_1_0", pax_sparse_10("dir/s", 1'000'000) + tar_end()},
      {"gnu_sparse_0_1", pax_sparse_01("s") + raw_file("after", "x") + tar_end()},
      {"gnu_sparse_0_0", pax_sparse_00("s") + tar_end()},
      {"gnu_sparse_one_hole", old_sparse("s", 5'000'000, {}) + tar_end()},
      {"gnu_sparse_twice_under_one_name",
       pax_sparse_10("s", 70'000) + pax_sparse_01("s") + raw_file("s", "not sparse") + tar_end()},
      {"zeros_that_are_not_sparse", raw_file("z", std::string(300'000, '\0')) + tar_end()},
  };
}

inline std::vector<OddTar> header_tars() {
  const std::string body = "contents";
  const auto patched = [](std::size_t at, const std::string& bytes) {
    return raw_header({.name = "f", .patches = {{at, bytes}}}) + tar_end();
  };
  return {
      {"v7", v7_header("d/", '\0', 0) + v7_header("d/f", '\0', 8) + padded(body) +
                 raw_header({.name = "l", .type = '1', .link_name = "d/f", .magic = kNoMagic}) +
                 tar_end()},
      {"star",
       raw_header({.name = "f",
                   .size = 8,
                   .prefix = "p",
                   .patches = {{476, "00000000001 "}, {488, "00000000002 "}, {508, "tar"}}}) +
           padded(body) + tar_end()},
      {"gnu_times_in_the_prefix",
       raw_header({.name = "f",
                   .magic = kGnuMagicText,
                   .patches = {{345, "14000000000"}, {357, "14000000001"}}}) +
           tar_end()},
      {"base_256_numbers", raw_header({.name = "f",
                                       .uid = base256(3'000'000, 8),
                                       .gid = base256(4'000'000'000, 8),
                                       .mtime = base256(1'600'000'000, 12),
                                       .patches = {{124, base256(8, 12)}}}) +
                               padded(body) + tar_end()},
      {"negative_base_256_time",
       raw_header({.name = "f", .mtime = std::string(11, '\xff') + "\xf0"}) + tar_end()},
      {"old_flag_for_files", raw_member({.name = "f", .type = '\0'}, body) + tar_end()},
      {"contiguous_file", raw_member({.name = "f", .type = '7'}, body) + tar_end()},
      {"file_with_a_slash", raw_file("slash/") + tar_end()},
      {"file_with_a_slash_and_contents", raw_file("slash/", body) + raw_file("f") + tar_end()},
      {"directory_with_a_size",
       raw_header({.name = "d/", .type = '5', .size = 4096}) + raw_file("d/f", body) + tar_end()},
      {"type_bits_in_the_mode", raw_header({.name = "f", .mode = "0104755"}) + tar_end()},
      {"signed_checksum", with_signed_checksum(raw_header({.name = "\xe9\xe8\xe7"})) + tar_end()},
      {"owner_names", patched(265, std::string("games") + '\0' + std::string(26, 'x'))},
      {"numbers_with_leading_blanks", patched(108, "    17 ")},
      {"blank_numbers", patched(108, std::string(16, ' '))},
      {"nul_numbers", patched(100, std::string(24, '\0'))},
      {"junk_in_the_unused_end", patched(500, "whatever1234")},
      {"junk_behind_the_name", patched(2, "hidden")},
      {"devices",
       raw_header(
           {.name = "null", .type = '3', .device_major = "0000001", .device_minor = "0000003"}) +
           raw_header({.name = "sda", .type = '4', .device_major = "0000010"}) +
           raw_header({.name = "p", .type = '6'}) + tar_end()},
      {"prefix",
       raw_header({.name = std::string(100, 'n'), .prefix = std::string(155, 'p')}) + tar_end()},
  };
}

inline std::vector<OddTar> name_tars() {
  const auto gnu_long = [](char type, const std::string& text) {
    return raw_member({.name = "././@LongLink", .type = type, .magic = kGnuMagicText}, text + '\0');
  };
  return {
      {"names_that_are_not_utf8", raw_file("\xff\xfe", "1") + raw_file("a\x80z") + tar_end()},
      {"nfc_and_nfd", raw_file("\xc3\xa9", "nfc") + raw_file("e\xcc\x81", "nfd") + tar_end()},
      {"pax_names_that_are_not_utf8",
       pax_header(pax_record("hdrcharset", "BINARY") + pax_record("path", "\xe9/\xe8")) +
           raw_file("x", "1") + tar_end()},
      {"gnu_long_names_repeated",
       gnu_long('L', "long") + gnu_long('L', "long") + raw_file("f", "1") + tar_end()},
      {"gnu_long_names",
       gnu_long('K', std::string(300, 'k')) + gnu_long('L', std::string(250, 'l')) +
           raw_header({.name = "short", .type = '2', .link_name = "short"}) + tar_end()},
      {"dots_and_slashes", raw_file("./a", "1") + raw_file("/b", "2") +
                               raw_file("d//x/./../c", "3") +
                               raw_header({.name = "./", .type = '5'}) + tar_end()},
      {"newlines_and_controls", raw_file("a\nb\x1b[31m", "x") + tar_end()},
      {"children_before_parents", raw_file("z/y/x", "1") +
                                      raw_header({.name = "z/y", .type = '5'}) +
                                      raw_header({.name = "z", .type = '5'}) + tar_end()},
      {"duplicates", raw_file("a", "first") + raw_file("./a", "second") + raw_file("a", "first") +
                         raw_header({.name = "d", .type = '5'}) + raw_file("d/f", "kept") +
                         raw_file("d", "now a file") + raw_header({.name = "d", .type = '5'}) +
                         raw_file("d/f", "last") + tar_end()},
      {"duplicates_by_a_symlink",
       raw_file("real/f", "first") + raw_header({.name = "l", .type = '2', .link_name = "real"}) +
           raw_file("l/f", "second") + raw_file("real/f", "third") + tar_end()},
      {"links", raw_file("a", "data") + raw_header({.name = "b", .type = '1', .link_name = "./a"}) +
                    raw_file("a", "new data") +
                    raw_header({.name = "c", .type = '1', .size = 4, .link_name = "b"}) +
                    raw_member({.name = "d", .type = '1', .link_name = "b"}, "data") + tar_end()},
      {"whiteouts", raw_file(".wh.a", "with contents") + raw_file("d/.wh..wh..opq", "more") +
                        raw_header({.name = ".wh.dir/", .type = '5'}) + raw_file("d/f", "f") +
                        raw_file("a", "own") + tar_end()},
      {"aufs_metadata",
       raw_file(".wh..wh.aufs", "aufs") + raw_header({.name = ".wh..wh.plnk/", .type = '5'}) +
           raw_file(".wh..wh.plnk/1.2", "linked") + raw_file(".wh..wh.plnk/3.4", "not linked") +
           raw_file(".wh..wh.orph/x", "orphan") +
           raw_header({.name = "f", .type = '1', .link_name = ".wh..wh.plnk/1.2"}) + tar_end()},
  };
}

inline std::vector<OddTar> pax_tars() {
  return {
      {"pax_global_header",
       pax_header(pax_record("comment", "e83c5163316f89bfbde7d9ab23ca2e25604af290"), 'g') +
           raw_file("f", "1") + tar_end()},
      {"pax_global_values", pax_header(pax_record("mtime", "7") + pax_record("uid", "5"), 'g') +
                                raw_file("f") + pax_header(pax_record("path", "no"), 'g') +
                                raw_file("g") + tar_end()},
      {"pax_repeated_keys", pax_header(pax_record("path", "a") + pax_record("path", "b")) +
                                raw_file("c", "1") + tar_end()},
      {"pax_values_taken_back", pax_header(pax_record("path", "a") + pax_record("path", "")) +
                                    raw_file("c", "1") + tar_end()},
      {"pax_times", pax_header(pax_record("mtime", "-1.123456789123") + pax_record("atime", "1.5") +
                               pax_record("ctime", "2")) +
                        raw_file("f") + tar_end()},
      {"pax_unknown_keys", pax_header(pax_record("VENDOR.key", std::string("\0=\n", 3)) +
                                      pax_record("LIBARCHIVE.creationtime", "1")) +
                               raw_file("f") + tar_end()},
      {"pax_xattrs", pax_header(pax_record("SCHILY.xattr.user.b", std::string("\0\xff=\n", 4)) +
                                pax_record("SCHILY.xattr.user.a", "") +
                                pax_record("SCHILY.xattr.trusted.overlay.opaque", "y") +
                                pax_record("SCHILY.acl.access", "user::rwx")) +
                         raw_header({.name = "d/", .type = '5'}) + tar_end()},
      {"pax_header_of_many_blocks",
       pax_header(pax_record("comment", std::string(9000, 'c'))) + raw_file("f", "1") + tar_end()},
  };
}

inline std::vector<OddTar> stream_tars() {
  const std::string file = raw_file("f", "data");
  std::string dirty = raw_file("f", "data");
  dirty.replace(516, 508, std::string(508, '#'));
  SampleLayers samples(42);
  return {
      {"empty_stream", ""},
      {"end_marks_alone", tar_end()},
      {"no_end_mark", file},
      {"one_end_block", file + std::string(512, '\0')},
      {"ten_kilobytes", file + std::string(10'240 - file.size(), '\0')},
      {"padding_of_no_whole_block", file + tar_end() + std::string(77, '\0')},
      {"end_mark_cut_short", file + std::string(700, '\0')},
      {"trailing_bytes", file + tar_end() + "trailing bytes\n"},
      {"another_archive_behind", file + tar_end() + raw_file("hidden", "x") + tar_end()},
      {"dirty_padding", dirty + tar_end()},
      {"whole_blocks", raw_file("a", std::string(512, 'a')) +
                           raw_file("b", std::string(1024, 'b')) + raw_file("c") + tar_end()},
      {"large_file",
       raw_file("big", samples.bytes(3'000'001)) + raw_file("small", "s") + tar_end()},
      {"megabytes_of_padding", file + std::string(5'000'000, '\0')},
  };
}

inline std::vector<OddTar> odd_tars() {
  std::vector<OddTar> all;
  for (auto* make : {&sparse_tars, &header_tars, &name_tars, &pax_tars, &stream_tars}) {
    for (OddTar& tar : make())
      all.push_back(std::move(tar));
  }
  return all;
}

}  // namespace layerkit::testing
