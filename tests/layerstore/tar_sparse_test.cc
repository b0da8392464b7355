#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "expect_error.h"
#include "raw_tar.h"
#include "temp_dir.h"

namespace layerkit {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the tests' own helpers

std::string zeros(std::size_t count) {
  return std::string(count, '\0');
}

std::string sparse_1_0(const std::string& map,
                       const std::string& data,
                       const std::string& real_size) {
  return pax_header(pax_record("GNU.sparse.major", "1") + pax_record("GNU.sparse.minor", "0") +
                    pax_record("GNU.sparse.name", "s") +
                    pax_record("GNU.sparse.realsize", real_size)) +
         raw_member({.name = "GNUSparseFile.1/s"}, padded(map) + data);
}

std::string sparse_0_1(const std::string& records, const std::string& data) {
  return pax_header(records) + raw_member({.name = "s"}, data);
}

std::string gnu_piece(std::uint64_t offset, std::uint64_t length) {
  return octal(offset, 11) + '\0' + octal(length, 11) + '\0';
}

RawHeader old_gnu_header(const std::string& pieces, std::uint64_t real_size, char extended) {
  RawHeader header{.name = "s", .type = 'S', .magic = kGnuMagicText};
  header.patches = {{386, pieces}, {482, std::string(1, extended)}, {483, octal(real_size, 11)}};
  return header;
}

void expect_sparse(const std::string& tar, const std::string& contents) {
  for (const std::size_t chunk : {std::size_t{1}, std::size_t{1000}, std::size_t{1} << 20}) {
    SlowSource source(tar, chunk);
    const auto items = read_tar(source);
    ASSERT_EQ(items.size(), 2U);
    EXPECT_EQ(items[0].entry.path.str(), "s");
    EXPECT_EQ(items[0].entry.size, contents.size());
    EXPECT_TRUE(items[0].contents == contents);
    EXPECT_EQ(items[1].contents, "next");
  }
}

const std::string kNext = raw_file("next", "next");
const std::string kContents = zeros(1000) + "abc" + zeros(2000) + "defg" + zeros(500);

TEST(TarSparseTest, ReadsPaxFormat10) {
  expect_sparse(sparse_1_0("2\n1000\n3\n3003\n4\n", "abcdefg", "3507") + kNext, kContents);
}

TEST(TarSparseTest, ReadsPaxFormat01) {
  expect_sparse(
      sparse_0_1(pax_record("GNU.sparse.size", "3507") + pax_record("GNU.sparse.numblocks", "2") +
                     pax_record("GNU.sparse.map", "1000,3,3003,4"),
                 "abcdefg") +
          kNext,
      kContents);
}

TEST(TarSparseTest, ReadsPaxFormat00) {
  expect_sparse(
      sparse_0_1(
          pax_record("GNU.sparse.size", "3507") + pax_record("GNU.sparse.numblocks", "3") +
              pax_record("GNU.sparse.offset", "1000") + pax_record("GNU.sparse.numbytes", "3") +
              pax_record("GNU.sparse.offset", "3003") + pax_record("GNU.sparse.numbytes", "4") +
              pax_record("GNU.sparse.offset", "3507") + pax_record("GNU.sparse.numbytes", "0"),
          "abcdefg") +
          kNext,
      kContents);
}

TEST(TarSparseTest, ReadsTheOldGnuFormatWithExtensions) {
  std::string expected;
  std::string pieces;
  std::string data;
  for (std::uint64_t i = 0; i < 30; ++i) {
    pieces += gnu_piece(i * 100, 10);
    data += std::string(10, static_cast<char>('a' + i % 26));
    expected += std::string(10, static_cast<char>('a' + i % 26)) + zeros(90);
  }
  constexpr std::size_t kPiece = 24;
  const std::string first = pieces.substr(0, 4 * kPiece);
  const std::string second = pieces.substr(4 * kPiece, 21 * kPiece) + '\1' + zeros(7);
  std::string third = pieces.substr(25 * kPiece);
  third.resize(512, '\0');
  RawHeader header = old_gnu_header(first, expected.size(), '\1');
  header.size = data.size();
  expect_sparse(raw_header(header) + second + third + padded(data) + kNext, expected);
}

TEST(TarSparseTest, AFileMayBeOneHole) {
  const std::string tar = sparse_0_1(pax_record("GNU.sparse.size", "5000"), "");
  expect_sparse(tar + kNext, zeros(5000));
  expect_sparse(sparse_1_0("0\n", "", "5000") + kNext, zeros(5000));
}

TEST(TarSparseTest, AHugeHoleCostsNothingToSkip) {
  const std::string tar =
      sparse_1_0("1\n9223372036854775800\n7\n", "1234567", "9223372036854775807") + kNext;
  MemorySource source(tar);
  TarLimits limits;
  limits.unpacked_bytes = UINT64_MAX;
  const auto reader = make_tar_reader(source, TarDialect::Layer, limits);
  EXPECT_EQ(reader->next()->size, 9223372036854775807U);
  std::array<std::byte, 100> some{};
  EXPECT_EQ(reader->contents().read(some), 100U);
  EXPECT_EQ(reader->next()->path.str(), "next");
}

TEST(TarSparseTest, ObserverSeesPiecesAtTheirPlace) {
  class Pieces final : public TarObserver {
   public:
    void on_framing(std::span<const std::byte>) override {}
    void on_contents(std::uint64_t offset, std::span<const std::byte> bytes) override {
      text += fmt::format("{}+{} ", offset, bytes.size());
    }
    std::string text;
  };
  Pieces pieces;
  read_tar(sparse_1_0("2\n1000\n3\n3003\n4\n", "abcdefg", "3507"), TarDialect::Layer, {}, &pieces);
  EXPECT_EQ(pieces.text, "1000+3 3003+4 ");
}

TEST(TarSparseTest, RefusesMapsThatDoNotFit) {
  const auto expect_refused = [](Errc code, const std::string& text, const std::string& tar) {
    expect_error(code, text, [&] { read_tar(tar); });
  };
  expect_refused(Errc::Invalid, "overlap or are out of order",
                 sparse_1_0("2\n5\n3\n7\n4\n", "abcdefg", "50"));
  expect_refused(Errc::Invalid, "overlap or are out of order",
                 sparse_1_0("2\n9\n3\n1\n4\n", "abcdefg", "50"));
  expect_refused(Errc::Invalid, "beyond the file's 10 bytes", sparse_1_0("1\n9\n3\n", "abc", "10"));
  expect_refused(Errc::Invalid, "has 3 bytes, 5 are stored",
                 sparse_1_0("1\n0\n3\n", "abcde", "10"));
  std::string endless = "999\n";
  while (endless.size() < 512)
    endless += "0\n";
  expect_refused(Errc::Invalid, "longer than its contents", sparse_1_0(endless, "", "10"));
  expect_refused(Errc::Invalid, "for a number", sparse_1_0("x\n", "", "10"));
  expect_refused(Errc::Invalid, "not a list of numbers",
                 sparse_1_0(std::string(600, '1'), "", "10"));
  expect_refused(Errc::Invalid, "for a number",
                 sparse_1_0("1\n9223372036854775808\n1\n", "a", "10"));
  expect_refused(Errc::Invalid, "overlap or are out of order",
                 sparse_1_0("1\n9223372036854775807\n1\n", "a", "10"));
  const std::string size = pax_record("GNU.sparse.size", "50");
  expect_refused(Errc::Invalid, "an offset without a length",
                 sparse_0_1(size + pax_record("GNU.sparse.map", "1,2,3"), "ab"));
  expect_refused(Errc::Invalid, "an offset without a length",
                 sparse_0_1(size + pax_record("GNU.sparse.offset", "1"), ""));
  expect_refused(Errc::Invalid, "a length without an offset",
                 sparse_0_1(size + pax_record("GNU.sparse.numbytes", "1"), "a"));
  expect_refused(Errc::Invalid, "has not the 3 pieces it announces",
                 sparse_0_1(size + pax_record("GNU.sparse.numblocks", "3") +
                                pax_record("GNU.sparse.map", "1,1"),
                            "a"));
  expect_refused(Errc::Invalid, "without the size of the file",
                 sparse_0_1(pax_record("GNU.sparse.map", "1,1"), "a"));
  expect_refused(Errc::Unsupported, "its sparse format 2.0 is unknown",
                 sparse_0_1(size + pax_record("GNU.sparse.major", "2"), ""));
}

TEST(TarSparseTest, RefusesFormatsItCannotRead) {
  RawHeader header{.name = "s", .type = 'S'};
  expect_error(Errc::Unsupported, "a sparse file in an unknown format",
               [&] { read_tar(raw_header(header)); });
  expect_error(Errc::Unsupported, "a sparse file in an unknown format",
               [&] { read_tar(sparse_0_1(pax_record("SCHILY.realsize", "100"), "abc")); });
}

TEST(TarSparseTest, BoundsTheNumberOfPieces) {
  std::string map = "100\n";
  for (int i = 0; i < 100; ++i)
    map += std::to_string(i * 10) + "\n1\n";
  expect_error(Errc::Limit, "more than 99 pieces", [&] {
    read_tar(sparse_1_0(map, std::string(100, 'x'), "1000"), TarDialect::Layer,
             {.sparse_pieces = 99});
  });
}

TEST(TarSparseTest, ReadsWhatGnuTarWrites) {
  const TempDir dir;
  {
    const Fd file = open_at(dir.fd(), "s", O_CREAT | O_WRONLY, 0644);
    for (int i = 0; i < 40; ++i) {
      ASSERT_EQ(::pwrite(file.get(), "data", 4, i * 300'000 + 17), 4);
    }
    ASSERT_EQ(::ftruncate(file.get(), 12'000'000), 0);
  }
  const Fd expected_file = open_at(dir.fd(), "s", O_RDONLY);
  FdSource expected_source(expected_file.get(), "s");
  const std::string expected = read_all(expected_source, std::size_t{64} << 20, "s");
  const std::vector<std::string> formats = {
      "--format=gnu --sparse", "--format=posix --sparse-version=0.0",
      "--format=posix --sparse-version=0.1", "--format=posix --sparse-version=1.0"};
  for (const std::string& format : formats) {
    SCOPED_TRACE(format);
    const std::string command =
        "tar -C " + dir.path() + " --sparse " + format + " -cf " + dir.path("t") + " s";
    // NOLINTNEXTLINE(concurrency-mt-unsafe,cert-env33-c): a test program of one thread
    if (std::system(command.c_str()) != 0) GTEST_SKIP() << "GNU tar is not installed";
    const Fd tar = open_at(dir.fd(), "t", O_RDONLY);
    FdSource source(tar.get(), "t");
    const auto items = read_tar(source);
    ASSERT_EQ(items.size(), 1U);
    EXPECT_EQ(items[0].entry.path.str(), "s");
    EXPECT_TRUE(items[0].contents == expected);
  }
}

}  // namespace
}  // namespace layerkit
