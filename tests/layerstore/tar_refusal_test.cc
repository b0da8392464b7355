#include <gtest/gtest.h>

#include "expect_error.h"
#include "raw_tar.h"

namespace layerkit {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the tests' own helpers

void expect_refused(Errc code,
                    const std::string& text,
                    const std::string& tar,
                    TarDialect dialect = TarDialect::Layer) {
  expect_error(code, text, [&] { read_tar(tar, dialect); });
}

void expect_pax_refused(Errc code, const std::string& text, const std::string& records) {
  expect_refused(code, text, pax_header(records) + raw_file("f"));
}

TEST(TarRefusalTest, NamesTheEntryAndItsPlace) {
  expect_refused(
      Errc::Invalid,
      "reading tar entry '../x\\n' at byte 1024: reading path '../x\\n': it leaves the root",
      raw_file("a", "1") + raw_file("../x\n"));
}

TEST(TarRefusalTest, NamesThatLeaveTheRoot) {
  for (const TarDialect dialect : {TarDialect::Layer, TarDialect::Literal}) {
    expect_refused(Errc::Invalid, "it leaves the root", raw_file("d/../../x"), dialect);
    expect_refused(Errc::Invalid, "it leaves the root",
                   raw_header({.name = "l", .type = '1', .link_name = "../etc/passwd"}), dialect);
  }
}

TEST(TarRefusalTest, EmptyNames) {
  expect_refused(Errc::Invalid, "its name is empty", raw_file(""));
  expect_refused(Errc::Invalid, "its name is empty", raw_header({.name = "", .type = '5'}));
  expect_refused(Errc::Invalid, "symlink to an empty name", raw_header({.name = "s", .type = '2'}));
  expect_refused(Errc::Invalid, "links to an empty name", raw_header({.name = "l", .type = '1'}));
}

TEST(TarRefusalTest, RootsThatAreNoDirectory) {
  for (const char type : {'0', '1', '2', '3', '6'}) {
    expect_refused(Errc::Invalid, "it is the root and not a directory",
                   raw_header({.name = ".", .type = type, .link_name = "/tmp"}));
  }
}

TEST(TarRefusalTest, HardLinksToTheRootOrToThemselves) {
  expect_refused(Errc::Invalid, "it links to the root",
                 raw_header({.name = "l", .type = '1', .link_name = "./"}));
  expect_refused(Errc::Invalid, "it links to itself",
                 raw_header({.name = "./l", .type = '1', .link_name = "l"}));
}

TEST(TarRefusalTest, UnknownTypeFlags) {
  for (const char type : {'V', 'M', 'D', 'N', 'Z', 'A', '8', '\xff'}) {
    expect_refused(Errc::Invalid, "its type flag", raw_header({.name = "f", .type = type}));
  }
  expect_refused(Errc::Invalid, "reading tar entry 'label' at byte 0: its type flag 'V' is unknown",
                 raw_header({.name = "label", .type = 'V'}));
}

TEST(TarRefusalTest, OwnersThatMeanNobody) {
  expect_pax_refused(Errc::Invalid, "its uid 4294967295 is above 4294967294",
                     pax_record("uid", "4294967295"));
  expect_pax_refused(Errc::Invalid, "its gid 4294967301 is above", pax_record("gid", "4294967301"));
  RawHeader header{.name = "f"};
  header.uid = std::string(8, '\xff');
  expect_refused(Errc::Invalid, "its uid is negative", raw_header(header));
}

TEST(TarRefusalTest, NumbersThatAreNone) {
  expect_refused(Errc::Invalid, "its mode is not a number",
                 raw_header({.name = "f", .mode = "0x1ff  "}));
  expect_refused(Errc::Invalid, "its gid is not a number",
                 raw_header({.name = "f", .gid = "12 4"}));
  RawHeader header{.name = "f"};
  header.mtime = "\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
  expect_refused(Errc::Invalid, "its mtime is too large", raw_header(header));
  header.mtime = "00000000000";
  header.patches = {{124, std::string(12, '\xff')}};
  expect_refused(Errc::Invalid, "its size is negative", raw_header(header));
}

TEST(TarRefusalTest, DevicesThatOverlayTakesForWhiteouts) {
  expect_refused(Errc::Invalid, "it is a 0:0 character device",
                 raw_header({.name = "c", .type = '3'}));
}

TEST(TarRefusalTest, WhiteoutsOfNothing) {
  for (const char* name : {".wh.", ".wh..", ".wh...", "d/.wh."}) {
    expect_refused(Errc::Invalid, "it names no file", raw_file(name));
  }
}

TEST(TarRefusalTest, WhiteoutNamesAsParents) {
  expect_refused(Errc::Invalid, "it lies below a whiteout", raw_file(".wh.d/file"));
  expect_refused(Errc::Invalid, "it lies below a whiteout", raw_file("a/.wh..wh..opq/x"));
}

TEST(TarRefusalTest, HardLinksToWhiteoutsAndAufsMetadata) {
  for (const std::string target : {".wh..wh.aufs", ".wh..wh.orph/1", "d/.wh..wh.plnk/1"}) {
    expect_refused(Errc::Unsupported, "it links to AUFS metadata ('" + target + "')",
                   raw_header({.name = "l", .type = '1', .link_name = target}));
  }
  expect_refused(Errc::Invalid, "it links to a whiteout ('d/.wh.x')",
                 raw_header({.name = "l", .type = '1', .link_name = "d/.wh.x"}));
}

TEST(TarRefusalTest, MalformedPaxRecords) {
  const std::vector<std::string> malformed = {
      "9 path=ab\n\n",  // too short for its text
      "99 path=ab\n",  "11 path=abcd", "path=a\n",    "11 pathabcd\n12 path=abcd\n",
      "0 path=a\n",    "5 =a\n",       "-9 path=a\n", "18446744073709551626 path=a\n",
      " 9 path=a\n",   "3 \n"};
  for (const std::string& records : malformed) {
    SCOPED_TRACE(records);
    expect_pax_refused(Errc::Invalid, "its PAX records are malformed", records);
  }
  expect_refused(Errc::Invalid, "its PAX records are malformed",
                 pax_header("not a record", 'g') + raw_file("f"));
}

TEST(TarRefusalTest, PaxValuesThatMeanNothing) {
  const std::string with_nul("a\0b", 3);
  expect_pax_refused(Errc::Invalid, "its PAX path contains a NUL", pax_record("path", with_nul));
  expect_pax_refused(Errc::Invalid, "its PAX linkpath contains a NUL",
                     pax_record("linkpath", with_nul));
  expect_pax_refused(Errc::Invalid, "has a NUL byte in its key", pax_record(with_nul, "x"));
  expect_pax_refused(Errc::Invalid, "its PAX uid '-1' is not a number", pax_record("uid", "-1"));
  expect_pax_refused(Errc::Invalid, "its PAX size '1x' is not", pax_record("size", "1x"));
  for (const char* time : {"x", "-", ".5", "1.x", "--1", "99999999999999999999"}) {
    expect_pax_refused(Errc::Invalid, "is not a time", pax_record("mtime", time));
  }
}

TEST(TarRefusalTest, SizesNoFileCanHave) {
  expect_pax_refused(Errc::Invalid, "its size 9223372036854775808 is too large",
                     pax_record("size", "9223372036854775808"));
  expect_pax_refused(Errc::Limit,
                     "reading tar entry 'f' at byte 1024: the tar unpacks to more than "
                     "137438953472 bytes (the limit max-layer-size)",
                     pax_record("size", "9223372036854775807"));
  expect_pax_refused(Errc::Integrity, "reading tar entry 'f' at byte 1024: the tar ends inside it",
                     pax_record("size", "1000000000"));
}

TEST(TarRefusalTest, EntriesWithTwoNames) {
  const auto gnu_long = [](char type, const std::string& text) {
    return raw_member({.name = "L", .type = type, .magic = kGnuMagicText}, text);
  };
  const std::string long_name = gnu_long('L', "gnu");
  expect_refused(Errc::Invalid, "it has two different names",
                 long_name + pax_header(pax_record("path", "pax")) + raw_file("f"));
  for (const char type : {'L', 'K'}) {
    expect_refused(Errc::Invalid, "second long name of one entry",
                   gnu_long(type, "gnu") + gnu_long(type, "gnat") + raw_file("f"));
  }
  const std::string pax = pax_header(pax_record("path", "a"));
  expect_refused(Errc::Invalid, "second extended header", pax + pax + raw_file("f"));
}

TEST(TarRefusalTest, ExtendedHeadersWithoutAnEntry) {
  const std::string pax = pax_header(pax_record("path", "a"));
  expect_refused(Errc::Integrity, "the tar ends after it, before its entry", pax);
  expect_refused(Errc::Invalid, "it belongs to no entry", pax + tar_end());
}

TEST(TarRefusalTest, WrongChecksums) {
  std::string tar = raw_file("a", "1") + raw_file("b");
  tar[1024] = 'c';
  expect_refused(Errc::Invalid, "reading the tar header at byte 1024: its checksum is wrong", tar);
  expect_refused(Errc::Invalid, "its checksum is wrong", std::string(512, 'x'));
}

TEST(TarRefusalTest, StreamsThatEndInsideAnEntry) {
  const std::string tar = raw_file("a", std::string(600, 'a'));
  for (const std::size_t size :
       {std::size_t{512}, std::size_t{1111}, std::size_t{1112}, tar.size() - 1}) {
    expect_refused(Errc::Integrity, "reading tar entry 'a' at byte 0: the tar ends inside it",
                   tar.substr(0, size));
  }
  expect_refused(Errc::Integrity, "it ends inside a header", tar.substr(0, 511));
  expect_refused(Errc::Integrity, "the tar ends inside it",
                 pax_header(pax_record("path", "a")).substr(0, 515));
}

TEST(TarRefusalTest, WhatIsAboveALimit) {
  const auto expect_limit = [](const std::string& text, const std::string& tar, TarLimits limits) {
    expect_error(Errc::Limit, text, [&] { read_tar(tar, TarDialect::Layer, limits); });
  };
  expect_limit("the tar has more than 2 entries (the limit max-entries)",
               raw_file("a") + raw_file("b") + raw_file("c"), {.entries = 2});
  expect_limit("the extended header has 2048 bytes, more than 1024",
               pax_header(std::string(2048, ' ')), {.extended_header_bytes = 1024});
  expect_limit("its path is longer than 5 bytes", raw_file("abcdef"), {.path_bytes = 5});
  const std::string long_path = "d/" + std::string(5000, 'x');
  expect_limit("its PAX path has more than 4095 bytes",
               pax_header(pax_record("path", long_path)) + raw_file("f"), {});
  expect_limit("the long name has more than 4095 bytes",
               raw_member({.name = "L", .type = 'L'}, long_path) + raw_file("f"), {});
  expect_limit("its path has a name of more than 255 bytes",
               pax_header(pax_record("path", "d/" + std::string(256, 'x'))) + raw_file("f"), {});
  std::string xattrs;
  for (int i = 0; i < 1025; ++i)
    xattrs += pax_record("SCHILY.xattr.user." + std::to_string(i), "");
  expect_limit("it has more than 1024 xattrs", pax_header(xattrs) + raw_file("f"), {});
}

TEST(TarRefusalTest, WhatUnpacksToMoreThanIsAllowed) {
  const auto refused = [](const std::string& tar, std::uint64_t bytes) {
    expect_error(Errc::Limit,
                 "the tar unpacks to more than " + std::to_string(bytes) +
                     " bytes (the limit max-layer-size)",
                 [&] { read_tar(tar, TarDialect::Layer, {.unpacked_bytes = bytes}); });
  };
  const auto accepted = [](const std::string& tar, std::uint64_t bytes) {
    read_tar(tar, TarDialect::Layer, {.unpacked_bytes = bytes});
  };
  const std::string tar = raw_member({.name = "a"}, std::string(1000, 'x')) + tar_end();
  accepted(tar, tar.size());
  refused(tar, tar.size() - 1);
  // What comes behind the end counts as well.
  const std::string trailing = tar + std::string(5000, '\0');
  accepted(trailing, trailing.size());
  refused(trailing, trailing.size() - 1);
  // Holes count: reading them takes time.
  const std::string map = "1\n0\n0\n" + std::string(506, '\0');
  const std::string sparse =
      pax_header(pax_record("GNU.sparse.major", "1") + pax_record("GNU.sparse.minor", "0") +
                 pax_record("GNU.sparse.realsize", "1000000")) +
      raw_member({.name = "s"}, map) + tar_end();
  accepted(sparse, 1'000'000);
  refused(sparse, 999'999);
  refused(sparse + sparse.substr(0, sparse.size() - 1024), 999'999);
  // Headers that belong to nothing count.
  std::string globals;
  for (int i = 0; i < 20; ++i)
    globals += pax_header(pax_record("comment", std::string(900, 'c')), 'g');
  refused(globals, 10'000);
  // A claim is not waited for.
  RawHeader huge{.name = "x"};
  huge.size = 077777777777U;
  refused(raw_header(huge), 8'589'934'590);
}

TEST(TarRefusalTest, ClaimedSizesAreNotAllocated) {
  RawHeader header{.name = "x", .type = 'x'};
  header.size = 077777777777U;
  expect_refused(Errc::Limit, "the extended header has 8589934591 bytes", raw_header(header));
}

}  // namespace
}  // namespace layerkit
