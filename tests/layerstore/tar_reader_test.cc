#include <gtest/gtest.h>

#include "expect_error.h"
#include "raw_tar.h"

namespace layerkit {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the tests' own helpers

std::vector<std::string> paths_of(const std::vector<TarItem>& items) {
  std::vector<std::string> paths;
  for (const TarItem& item : items)
    paths.push_back(item.entry.path.str());
  return paths;
}

TEST(TarReaderTest, ReadsAllFieldsOfAUstarHeader) {
  const auto items = read_tar(raw_member({.name = "f",
                                          .mode = "0104755",
                                          .uid = "0001750",
                                          .gid = "0000144",
                                          .mtime = "14325671234",
                                          .prefix = "a/b"},
                                         "hello") +
                              tar_end());
  ASSERT_EQ(items.size(), 1U);
  const Entry& entry = items[0].entry;
  EXPECT_EQ(entry.path.str(), "a/b/f");
  EXPECT_EQ(entry.type, FileType::Regular);
  EXPECT_EQ(entry.mode, 04755U);
  EXPECT_EQ(entry.uid, 1000U);
  EXPECT_EQ(entry.gid, 100U);
  EXPECT_EQ(entry.size, 5U);
  EXPECT_EQ(entry.mtime, (Timestamp{014325671234, 0}));
  EXPECT_EQ(items[0].contents, "hello");
}

TEST(TarReaderTest, ReadsEveryKindOfObject) {
  const auto items =
      read_tar(raw_header({.name = "dir/", .type = '5'}) + raw_file("dir/f", "x") +
               raw_header({.name = "dir/h", .type = '1', .link_name = "./dir/f"}) +
               raw_header({.name = "s", .type = '2', .link_name = "/dir/../f"}) +
               raw_header({.name = "c", .type = '3', .device_major = "0000005"}) +
               raw_header({.name = "b", .type = '4', .device_minor = "0000377"}) +
               raw_header({.name = "p", .type = '6'}) + raw_header({.name = "r", .type = '7'}));
  ASSERT_EQ(items.size(), 8U);
  EXPECT_EQ(items[0].entry.type, FileType::Directory);
  EXPECT_EQ(items[0].entry.path.str(), "dir");
  EXPECT_EQ(items[2].entry.hard_link_target, RelPath::parse("dir/f"));
  EXPECT_EQ(items[3].entry.type, FileType::Symlink);
  EXPECT_EQ(items[3].entry.symlink_target, "/dir/../f");
  EXPECT_EQ(items[4].entry.type, FileType::CharDevice);
  EXPECT_EQ(items[4].entry.device_major, 5U);
  EXPECT_EQ(items[5].entry.type, FileType::BlockDevice);
  EXPECT_EQ(items[5].entry.device_minor, 255U);
  EXPECT_EQ(items[6].entry.type, FileType::Fifo);
  EXPECT_EQ(items[7].entry.type, FileType::Regular);
}

TEST(TarReaderTest, TakesARegularFileWithATrailingSlashForADirectory) {
  const auto items = read_tar(raw_member({.name = "d/", .type = '\0', .magic = kNoMagic}, "junk") +
                              raw_file("after", "x"));
  ASSERT_EQ(items.size(), 2U);
  EXPECT_EQ(items[0].entry.type, FileType::Directory);
  EXPECT_EQ(items[0].contents, "");
  EXPECT_EQ(items[1].contents, "x");
}

TEST(TarReaderTest, NormalisesNames) {
  const auto items =
      read_tar(raw_file("./a") + raw_file("/b") + raw_file("c//d/../e") +
               raw_header({.name = "./", .type = '5'}) + raw_header({.name = "/", .type = '5'}));
  EXPECT_EQ(paths_of(items), (std::vector<std::string>{"a", "b", "c/e", "", ""}));
}

TEST(TarReaderTest, KeepsNamesThatAreNotUtf8OrNotNormalised) {
  const std::string latin = "caf\xe9\n";
  const std::string decomposed = "e\xcc\x81";
  const auto items =
      read_tar(raw_file(latin) + pax_header(pax_record("path", decomposed)) + raw_file("x") +
               pax_header(pax_record("path", latin)) + raw_file("x"));
  EXPECT_EQ(paths_of(items), (std::vector<std::string>{latin, decomposed, latin}));
}

TEST(TarReaderTest, ReadsBase256Numbers) {
  const std::string minus_two(12, '\xff');
  RawHeader header{.name = "f"};
  header.mtime = minus_two.substr(0, 11) + '\xfe';
  header.uid = std::string("\x80\0\0\0\xff\xff\xff\xfe", 8);
  const Entry entry = read_one(raw_header(header));
  EXPECT_EQ(entry.mtime, (Timestamp{-2, 0}));
  EXPECT_EQ(entry.uid, 4294967294U);
}

TEST(TarReaderTest, AcceptsBlankAndSpacePaddedNumbers) {
  const Entry entry = read_one(
      raw_header({.name = "f", .mode = "   644 ", .uid = std::string(8, '\0'), .gid = "     7 "}));
  EXPECT_EQ(entry.mode, 0644U);
  EXPECT_EQ(entry.uid, 0U);
  EXPECT_EQ(entry.gid, 7U);
}

TEST(TarReaderTest, AcceptsChecksumsOfSignedBytes) {
  std::string block = raw_header({.name = "caf\xc3\xa9"});
  block.replace(148, 8, 8, ' ');
  std::int64_t sum = 0;
  for (const char byte : block)
    sum += static_cast<signed char>(byte);
  block.replace(148, 7, octal(static_cast<std::uint64_t>(sum), 6) + '\0');
  EXPECT_EQ(read_one(block).path.str(), "caf\xc3\xa9");
}

TEST(TarReaderTest, PaxRecordsReplaceHeaderFields) {
  const Entry entry =
      read_one(pax_header(pax_record("path", "long/name") + pax_record("uid", "4000000000") +
                          pax_record("gid", "9") + pax_record("mtime", "1700000000.123456789012") +
                          pax_record("SCHILY.xattr.user.a", "1=2") +
                          pax_record("comment", "nothing") + pax_record("atime", "x")) +
               raw_file("short"));
  EXPECT_EQ(entry.path.str(), "long/name");
  EXPECT_EQ(entry.uid, 4000000000U);
  EXPECT_EQ(entry.gid, 9U);
  EXPECT_EQ(entry.mtime, (Timestamp{1700000000, 123456789}));
  EXPECT_EQ(entry.xattrs, (Xattrs{{"user.a", "1=2"}}));
}

TEST(TarReaderTest, PaxTimesMayLieBeforeTheEpoch) {
  const auto mtime = [](const std::string& text) {
    return read_one(pax_header(pax_record("mtime", text)) + raw_file("f")).mtime;
  };
  EXPECT_EQ(mtime("-1.5"), (Timestamp{-2, 500'000'000}));
  EXPECT_EQ(mtime("-0.25"), (Timestamp{-1, 750'000'000}));
  EXPECT_EQ(mtime("-3"), (Timestamp{-3, 0}));
  EXPECT_EQ(mtime("7."), (Timestamp{7, 0}));
}

TEST(TarReaderTest, PaxXattrsAreRawBytes) {
  const std::string value("\x01\0\0\x02\n=\xff", 7);
  const Entry entry = read_one(pax_header(pax_record("SCHILY.xattr.security.capability", value) +
                                          pax_record("SCHILY.xattr.user.empty", "") +
                                          pax_record("LIBARCHIVE.xattr.user.b", "Zm9v") +
                                          pax_record("SCHILY.acl.access", "user::rwx")) +
                               raw_file("f"));
  EXPECT_EQ(entry.xattrs, (Xattrs{{"security.capability", value}, {"user.empty", ""}}));
}

TEST(TarReaderTest, TheLastOfRepeatedPaxKeysWins) {
  const Entry entry = read_one(pax_header(pax_record("path", "a") + pax_record("uid", "1") +
                                          pax_record("path", "b") + pax_record("uid", "")) +
                               raw_member({.name = "f", .uid = "0000005"}, ""));
  EXPECT_EQ(entry.path.str(), "b");
  EXPECT_EQ(entry.uid, 5U);
}

TEST(TarReaderTest, PaxSizeReplacesTheHeadersSize) {
  const auto items = read_tar(pax_header(pax_record("size", "3")) + raw_header({.name = "f"}) +
                              padded("abc") + raw_file("g"));
  ASSERT_EQ(items.size(), 2U);
  EXPECT_EQ(items[0].contents, "abc");
}

TEST(TarReaderTest, OfGlobalHeadersOnlyNumbersAreTaken) {
  const auto items = read_tar(
      pax_header(pax_record("comment", "0123abcd") + pax_record("path", "evil") +
                     pax_record("size", "1") + pax_record("uid", "7") + pax_record("mtime", "8.5"),
                 'g') +
      raw_file("a", "xyz") + pax_header(pax_record("uid", "9")) + raw_file("b"));
  ASSERT_EQ(items.size(), 2U);
  EXPECT_EQ(items[0].entry.path.str(), "a");
  EXPECT_EQ(items[0].contents, "xyz");
  EXPECT_EQ(items[0].entry.uid, 7U);
  EXPECT_EQ(items[0].entry.mtime, (Timestamp{8, 500'000'000}));
  EXPECT_EQ(items[1].entry.uid, 9U);
}

TEST(TarReaderTest, ReadsGnuLongNames) {
  const std::string name(300, 'n');
  const std::string target = "d/" + std::string(200, 't');
  const auto items = read_tar(
      raw_member({.name = "././@LongLink", .type = 'L', .magic = kGnuMagicText},
                 "d/" + name.substr(0, 250) + '\0') +
      raw_member({.name = "././@LongLink", .type = 'K', .magic = kGnuMagicText}, target + '\0') +
      raw_header({.name = "d/n", .type = '2', .link_name = "t", .magic = kGnuMagicText}) +
      raw_file("after"));
  ASSERT_EQ(items.size(), 2U);
  EXPECT_EQ(items[0].entry.path.str(), "d/" + name.substr(0, 250));
  EXPECT_EQ(items[0].entry.symlink_target, target);
  EXPECT_EQ(items[1].entry.path.str(), "after");
}

TEST(TarReaderTest, GnuAndStarHeadersHaveOtherFieldsInThePrefix) {
  EXPECT_EQ(read_one(raw_header({.name = "f", .magic = kGnuMagicText, .prefix = "00000000017"}))
                .path.str(),
            "f");
  RawHeader star{.name = "f", .prefix = "dir"};
  star.patches = {{476, "00000000017"}, {508, std::string("tar\0", 4)}};
  EXPECT_EQ(read_one(raw_header(star)).path.str(), "dir/f");
}

TEST(TarReaderTest, HardLinksHaveNoContentsWhateverTheirSizeSays) {
  // ustar: the size repeats the target's and nothing follows.
  const RawHeader link{.name = "l", .type = '1', .size = 600, .link_name = "f"};
  auto items = read_tar(raw_file("f", "x") + raw_header(link) + raw_file("g", "y") + tar_end());
  ASSERT_EQ(items.size(), 3U);
  EXPECT_EQ(items[1].entry.size, 0U);
  EXPECT_EQ(items[2].contents, "y");
  // pax: contents follow.
  items = read_tar(raw_file("f", "x") + raw_header(link) + padded(std::string(600, 'z')) +
                   raw_file("g", "y"));
  ASSERT_EQ(items.size(), 3U);
  EXPECT_EQ(items[1].contents, "");
  EXPECT_EQ(items[2].contents, "y");
}

TEST(TarReaderTest, SkipsContentsThatNobodyReads) {
  const std::string tar = raw_file("a", std::string(700'000, 'a')) + raw_file("b", "bb");
  MemorySource source(tar);
  const auto reader = make_tar_reader(source, TarDialect::Layer);
  reader->next();
  std::array<std::byte, 10> some{};
  EXPECT_EQ(reader->contents().read(some), 10U);
  EXPECT_EQ(reader->next()->path.str(), "b");
  EXPECT_EQ(read_all(reader->contents(), 10, "b"), "bb");
  EXPECT_FALSE(reader->next());
  EXPECT_FALSE(reader->next());
}

TEST(TarReaderTest, WhiteoutsBecomeMarkers) {
  const auto items =
      read_tar(raw_file("d/.wh.x") + raw_file("d/.wh..wh..opq") +
               raw_file(".wh..wh..opq", "ignored") + raw_header({.name = ".wh.dir/", .type = '5'}));
  Entry whiteout;
  whiteout.path = RelPath::parse("d/x");
  whiteout.hides = Hides::Path;
  Entry opaque;
  opaque.path = RelPath::parse("d");
  opaque.hides = Hides::Below;
  opaque.type = FileType::Directory;
  ASSERT_EQ(items.size(), 4U);
  EXPECT_EQ(items[0].entry, whiteout);
  EXPECT_EQ(items[1].entry, opaque);
  EXPECT_TRUE(items[2].entry.path.is_root());
  EXPECT_EQ(items[2].contents, "");
  EXPECT_EQ(items[3].entry.path.str(), "dir");
  EXPECT_TRUE(items[3].entry.is_whiteout());
}

TEST(TarReaderTest, LiteralDialectTakesWhiteoutNamesAsTheyAre) {
  const auto items = read_tar(raw_file(".wh.x", "1") + raw_header({.name = "c", .type = '3'}),
                              TarDialect::Literal);
  ASSERT_EQ(items.size(), 2U);
  EXPECT_EQ(items[0].entry.path.str(), ".wh.x");
  EXPECT_EQ(items[0].entry.hides, Hides::Nothing);
  EXPECT_EQ(items[0].contents, "1");
}

TEST(TarReaderTest, DropsAufsMetadataButWhatHardLinksMayName) {
  const auto items =
      read_tar(raw_header({.name = ".wh..wh.plnk/", .type = '5'}) +
               raw_file(".wh..wh.plnk/12.34", "content") + raw_file(".wh..wh.plnk/deep/x") +
               raw_file(".wh..wh.plnk/.wh.x") + raw_file("d/.wh..wh.plnk/1") +
               raw_file(".wh..wh.orph/1") + raw_file(".wh..wh.aufs") + raw_file("kept"));
  EXPECT_EQ(paths_of(items), (std::vector<std::string>{".wh..wh.plnk/12.34", "kept"}));
  EXPECT_EQ(items[0].contents, "content");
}

TEST(TarReaderTest, AWhiteoutMayHideANameOfTheGreatestLength) {
  const std::string name(255, 'n');
  const std::string records = pax_record("path", ".wh." + name);
  EXPECT_EQ(read_one(pax_header(records) + raw_file("x")).path.str(), name);
}

}  // namespace
}  // namespace layerkit
