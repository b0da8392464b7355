#include <gtest/gtest.h>

#include "expect_error.h"
#include "raw_tar.h"
#include "sample_layer.h"

namespace layerkit {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the tests' own helpers

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Everything in order, and the contents by themselves.
class Recorder final : public TarObserver {
 public:
  void on_framing(std::span<const std::byte> bytes) override {
    all += as_text(bytes);
    largest = std::max(largest, bytes.size());
  }
  void on_contents(std::uint64_t offset, std::span<const std::byte> bytes) override {
    all += as_text(bytes);
    if (file.size() < offset + bytes.size()) file.resize(offset + bytes.size());
    file.replace(offset, bytes.size(), as_text(bytes));
  }

  std::string all;
  std::string file;  ///< contents since the test took them last
  std::size_t largest = 0;
};

/// All of `tar` must be observed, whatever the reader's caller reads.
void expect_observed(const std::string& tar, std::size_t chunk, bool read_contents) {
  Recorder recorder;
  SlowSource source(tar, chunk);
  const auto reader = make_tar_reader(source, TarDialect::Layer, {}, &recorder);
  while (const auto entry = reader->next()) {
    recorder.file.clear();
    if (!read_contents) continue;
    const std::string contents = read_all(reader->contents(), std::size_t{1} << 20, "contents");
    EXPECT_EQ(contents.size(), entry->size);
    EXPECT_TRUE(recorder.file == contents);
  }
  EXPECT_TRUE(recorder.all == tar);
}

TEST(TarStreamTest, ObserverSeesEveryByteInOrder) {
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    SampleLayers samples(seed);
    const std::string tar = write_tar(samples.layer(20)) + samples.bytes(samples.below(5000));
    for (const std::size_t chunk : {std::size_t{511}, std::size_t{70'000}, tar.size()}) {
      expect_observed(tar, chunk, true);
      expect_observed(tar, chunk, false);
    }
  }
}

TEST(TarStreamTest, ContentsOfMarkersAndDroppedEntriesAreFraming) {
  Recorder recorder;
  const std::string tar = raw_file(".wh.a", "one") + raw_file(".wh..wh.aufs", "two") +
                          raw_member({.name = "d/", .type = '0'}, "three") + tar_end();
  read_tar(tar, TarDialect::Layer, {}, &recorder);
  EXPECT_EQ(recorder.all, tar);
  EXPECT_EQ(recorder.file, "");
}

TEST(TarStreamTest, BytesAfterTheEndAreFramingInSmallPieces) {
  const std::string tail = tar_end() + raw_file("hidden", "x") + std::string(3'000'001, 'j');
  Recorder recorder;
  const auto items = read_tar(raw_file("a") + tail, TarDialect::Layer, {}, &recorder);
  EXPECT_EQ(items.size(), 1U);
  EXPECT_TRUE(recorder.all == raw_file("a") + tail);
  EXPECT_LE(recorder.largest, std::size_t{1} << 20);
}

TEST(TarStreamTest, EmptyStreamsAndStreamsWithoutAnEndMarkAreFine) {
  EXPECT_TRUE(read_tar("").empty());
  EXPECT_TRUE(read_tar(tar_end()).empty());
  EXPECT_EQ(read_tar(raw_file("a", "1")).size(), 1U);
}

TEST(TarStreamTest, OneBlockOfZerosEndsTheArchive) {
  EXPECT_EQ(read_tar(raw_file("a") + std::string(512, '\0') + raw_file("b")).size(), 1U);
}

/// Changes `tar` at random and reads it to the end: an Error is fine, anything else is not.
bool survives(std::string tar, SampleLayers& samples) {
  switch (samples.below(4)) {
    case 0:
      tar.resize(samples.below(tar.size()));
      break;
    case 1:
      tar.insert(samples.below(tar.size()), samples.bytes(1 + samples.below(600)));
      break;
    default:
      for (std::uint64_t flips = 1 + samples.below(4); flips > 0; --flips) {
        const std::size_t at = samples.below(tar.size());
        tar[at] = static_cast<char>(samples.below(256));
        // Most of what lies behind a wrong checksum would never be reached.
        std::string block = tar.substr(at / 512 * 512, 512);
        if (samples.below(2) == 0 && block.size() == 512 && block.substr(257, 5) == "ustar") {
          set_checksum(block);
          tar.replace(at / 512 * 512, 512, block);
        }
      }
  }
  MemorySource source(tar);
  Recorder recorder;
  try {
    const auto reader = make_tar_reader(source, TarDialect::Layer, {}, &recorder);
    while (reader->next()) {
      std::vector<std::byte> some(1 + samples.below(5000));
      reader->contents().read(some);
    }
  } catch (const Error& error) {
    return !error.message().empty() && tar.starts_with(recorder.all);
  }
  return recorder.all == tar;
}

TEST(TarStreamTest, DamagedArchivesGiveErrorsAndNothingElse) {
  SampleLayers samples(7);
  const std::string sparse =
      pax_header(pax_record("GNU.sparse.major", "1") + pax_record("GNU.sparse.minor", "0") +
                 pax_record("GNU.sparse.realsize", "3507")) +
      raw_member({.name = "s"}, padded("2\n1000\n3\n3003\n4\n") + "abcdefg");
  RawHeader gnu{.name = "g", .type = 'S', .size = 8, .magic = kGnuMagicText};
  gnu.patches = {{386, "00000000000 00000000004 00000001000 00000000004 "}, {483, "00000002000"}};
  const std::string more =
      sparse + raw_header(gnu) + padded("12345678") +
      pax_header(pax_record("GNU.sparse.size", "9") + pax_record("GNU.sparse.map", "1,2,5,2")) +
      raw_file("t", "1234") + raw_member({.name = "L", .type = 'L'}, "long/name") +
      raw_file("short");
  for (int i = 0; i < 2000; ++i) {
    const std::string tar = more + write_tar(samples.layer(1 + samples.below(6)));
    ASSERT_TRUE(survives(tar, samples)) << "iteration " << i;
  }
}

TEST(TarStreamTest, NoiseIsRefused) {
  SampleLayers samples(3);
  for (int i = 0; i < 200; ++i) {
    const std::string noise = samples.bytes(1 + samples.below(4000));
    expect_error(noise.size() < 512 ? Errc::Integrity : Errc::Invalid, "reading the tar",
                 [&] { read_tar(noise); });
  }
}

}  // namespace
}  // namespace layerkit
