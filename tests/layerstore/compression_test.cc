#include "layerkit/layerstore/compression.h"

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>

#include "expect_error.h"
#include "raw_tar.h"
#include "sample_layer.h"

namespace layerkit {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the tests' own helpers

constexpr std::size_t kMany = std::size_t{64} << 20;

std::string compress(const std::string& text, Compression to, int level = 0) {
  std::string out;
  MemorySink sink(out);
  const auto compressed = make_compressing_sink(sink, to, level);
  compressed->write(as_bytes(text));
  compressed->finish();
  return out;
}

/// By libarchive: a producer of its own.
std::string compress_by_filter(const std::string& text, int filter) {
  std::string out(text.size() + 4096, '\0');
  std::size_t used = 0;
  const std::unique_ptr<archive, decltype(&archive_write_free)> writer(archive_write_new(),
                                                                       &archive_write_free);
  const std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(archive_entry_new(),
                                                                            &archive_entry_free);
  archive_write_add_filter(writer.get(), filter);
  archive_write_set_format_raw(writer.get());
  archive_write_set_bytes_in_last_block(writer.get(), 1);
  archive_write_open_memory(writer.get(), out.data(), out.size(), &used);
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_write_header(writer.get(), entry.get());
  archive_write_data(writer.get(), text.data(), text.size());
  archive_write_close(writer.get());
  out.resize(used);
  return out;
}

struct Plain {
  Compression compression;
  std::string bytes;
};

Plain decompress(const std::string& bytes, std::size_t chunk = std::size_t{1} << 20) {
  SlowSource source(bytes, chunk);
  const auto plain = make_decompressing_source(source, "blob");
  std::string text = read_all(*plain, kMany, "plain");
  return {plain->compression(), std::move(text)};
}

/// One text in each format.
std::vector<std::pair<Compression, std::string>> in_all_formats(const std::string& text) {
  return {{Compression::Gzip, compress(text, Compression::Gzip)},
          {Compression::Zstd, compress(text, Compression::Zstd)},
          {Compression::Xz, compress_by_filter(text, ARCHIVE_FILTER_XZ)},
          {Compression::Bzip2, compress_by_filter(text, ARCHIVE_FILTER_BZIP2)}};
}

std::string sample_text() {
  SampleLayers samples(1);
  return samples.bytes(100'000) + std::string(1'000'000, 'a');
}

TEST(CompressionTest, DetectsAndReadsEveryFormat) {
  const std::string text = sample_text();
  for (const auto& [format, bytes] : in_all_formats(text)) {
    SCOPED_TRACE(compression_name(format));
    for (const std::size_t chunk : {std::size_t{1}, std::size_t{4099}, kMany}) {
      const Plain plain = decompress(bytes, chunk);
      EXPECT_EQ(plain.compression, format);
      EXPECT_TRUE(plain.bytes == text);
    }
  }
}

TEST(CompressionTest, ReadsStreamsThatHoldNothing) {
  for (const auto& [format, bytes] : in_all_formats("")) {
    SCOPED_TRACE(compression_name(format));
    EXPECT_EQ(decompress(bytes).compression, format);
    EXPECT_EQ(decompress(bytes).bytes, "");
  }
}

TEST(CompressionTest, WhatHasNoMagicPassesThrough) {
  const std::string tar_named_bzip = raw_file("BZh9 is a fine name");
  for (const std::string& bytes :
       {std::string(), std::string("x"), std::string("\x1f\x8b"), tar_named_bzip, sample_text()}) {
    EXPECT_EQ(decompress(bytes, 7).compression, Compression::None);
    EXPECT_TRUE(decompress(bytes, 7).bytes == bytes);
  }
}

TEST(CompressionTest, SeveralUnitsAreOneStream) {
  const auto first = in_all_formats("one ");
  const auto second = in_all_formats("two");
  for (std::size_t i = 0; i < first.size(); ++i) {
    SCOPED_TRACE(compression_name(first[i].first));
    EXPECT_EQ(decompress(first[i].second + second[i].second).bytes, "one two");
  }
}

TEST(CompressionTest, SkippableZstdFramesHoldNothing) {
  const std::string skippable("\x5a\x2a\x4d\x18\x03\0\0\0abc", 11);
  const std::string frame = compress("text", Compression::Zstd);
  const Plain plain = decompress(skippable + frame + skippable + frame + skippable);
  EXPECT_EQ(plain.compression, Compression::Zstd);
  EXPECT_EQ(plain.bytes, "texttext");
}

TEST(CompressionTest, AcceptsZeroPaddingAndNothingElseAfterTheEnd) {
  for (const auto& [format, bytes] : in_all_formats("text")) {
    SCOPED_TRACE(compression_name(format));
    EXPECT_EQ(decompress(bytes + std::string(700'001, '\0')).bytes, "text");
    expect_error(Errc::Integrity,
                 "decompressing 'blob': " + std::string(compression_name(format)) +
                     " data is followed by other bytes",
                 [&bytes = bytes] { decompress(bytes + "junk"); });
    expect_error(Errc::Integrity, "data is followed by other bytes",
                 [&bytes = bytes] { decompress(bytes + std::string(300'000, '\0') + "j"); });
    expect_error(Errc::Integrity, "decompressing 'blob'", [&bytes = bytes] {
      decompress(bytes + bytes.substr(0, 1) + "junk that starts like another unit");
    });
  }
}

TEST(CompressionTest, TruncationIsAnErrorAtEveryByte) {
  for (const auto& [format, bytes] : in_all_formats("some text to compress")) {
    SCOPED_TRACE(compression_name(format));
    for (std::size_t size = 10; size < bytes.size(); ++size) {
      expect_error(Errc::Integrity, "decompressing 'blob': it ends too early",
                   [&, &data = bytes] { decompress(data.substr(0, size)); });
    }
  }
}

TEST(CompressionTest, DamageIsAnErrorAndNeverOtherBytes) {
  const std::string text = "some text to compress, some text to compress";
  for (const auto& [format, bytes] : in_all_formats(text)) {
    SCOPED_TRACE(compression_name(format));
    for (std::size_t at = 10; at < bytes.size(); ++at) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
      try {
        EXPECT_EQ(decompress(damaged).bytes, text) << "byte " << at;
      } catch (const Error& error) {
        EXPECT_NE(error.code(), Errc::Io) << error.what();
      }
    }
  }
}

TEST(CompressionTest, GzipChecksumAndLengthAreVerified) {
  const std::string bytes = compress("text", Compression::Gzip);
  for (const std::size_t from_end : {std::size_t{8}, std::size_t{4}}) {
    std::string damaged = bytes;
    damaged[bytes.size() - from_end] = static_cast<char>(~damaged[bytes.size() - from_end]);
    expect_error(Errc::Integrity, "decompressing 'blob': gzip: incorrect",
                 [&] { decompress(damaged); });
  }
}

TEST(CompressionTest, ZstdWindowsAreBounded) {
  // RFC 8878: magic, descriptor without content size, window of 2^28 bytes, an empty last block.
  const std::string bytes("\x28\xb5\x2f\xfd\x00\x90\x01\x00\x00", 9);
  expect_error(Errc::Limit,
               "decompressing 'blob': zstd: the stream needs more than 34 MiB of memory (the limit "
               "max-memory)",
               [&] { decompress(bytes + "x"); });
}

TEST(CompressionTest, MemoryIsAllowedByTheCaller) {
  // The same with a window of 2^25 bytes, and a checksum of nothing: absent.
  const std::string bytes("\x28\xb5\x2f\xfd\x00\x78\x01\x00\x00", 9);
  const auto read = [&bytes](std::uint64_t memory) {
    MemorySource source(bytes);
    return drain(*make_decompressing_source(source, "blob", {.memory = memory}));
  };
  EXPECT_EQ(read(std::uint64_t{1} << 25), 0U);
  expect_error(Errc::Limit, "zstd: the stream needs more than 31 MiB",
               [&] { read((std::uint64_t{1} << 25) - 1); });
  const std::string xz = compress_by_filter(sample_text(), ARCHIVE_FILTER_XZ);
  MemorySource source(xz);
  expect_error(
      Errc::Limit, "xz: the stream needs more than 1 MiB of memory (the limit max-memory)", [&] {
        drain(*make_decompressing_source(source, "blob", {.memory = std::uint64_t{1} << 20}));
      });
}

TEST(CompressionTest, ABombIsStoppedByItsRatio) {
  const std::string zeros(std::size_t{1} << 20, '\0');
  for (const auto& [format, bytes] : in_all_formats(zeros)) {
    SCOPED_TRACE(compression_name(format));
    const auto read = [&bytes = bytes](DecompressionLimits limits) {
      MemorySource source(bytes);
      return drain(*make_decompressing_source(source, "blob", limits));
    };
    expect_error(Errc::Limit,
                 fmt::format("decompressing 'blob': {} bytes unpack to more than 100 times as many "
                             "(the limit max-ratio)",
                             bytes.size()),
                 [&] { read({.ratio = 100, .ratio_free_bytes = 1000}); });
    EXPECT_EQ(read({.ratio = 100, .ratio_free_bytes = zeros.size()}), zeros.size());
    EXPECT_EQ(read({.ratio = 0, .ratio_free_bytes = 0}), zeros.size());
    EXPECT_EQ(read({.ratio = zeros.size(), .ratio_free_bytes = 0}), zeros.size());
  }
}

TEST(CompressionTest, XzDictionariesAreBounded) {
  // A stream header and a block header that asks for a dictionary of 4 GiB - 1 (40).
  const std::string bytes(
      "\xfd"
      "7zXZ\0\0\x01\x69\x22\xde\x36"
      "\x02\0\x21\x01\x28\0\0\0\xe6\xa0\x11\xb3",
      24);
  expect_error(Errc::Limit, "xz: the stream needs more than 34 MiB", [&] { decompress(bytes); });
}

TEST(CompressionTest, CompressedBytesDependOnTheContentsAlone) {
  const std::string text = sample_text();
  const std::string header = compress(text, Compression::Gzip).substr(0, 10);
  EXPECT_EQ(header, std::string("\x1f\x8b\x08\0\0\0\0\0\0\xff", 10));
  for (const Compression format : {Compression::None, Compression::Gzip, Compression::Zstd}) {
    std::string out;
    MemorySink sink(out);
    const auto compressed = make_compressing_sink(sink, format);
    for (std::size_t at = 0; at < text.size(); at += 1000) {
      compressed->write(as_bytes(std::string_view(text).substr(at, 1000)));
    }
    compressed->finish();
    EXPECT_TRUE(out == compress(text, format)) << compression_name(format);
  }
}

TEST(CompressionTest, LevelsAreChecked) {
  EXPECT_LT(compress(sample_text(), Compression::Gzip, 9).size(),
            compress(sample_text(), Compression::Gzip, 1).size());
  expect_error(Errc::Invalid, "compressing by gzip: level 10 is not in 1..9",
               [] { compress("", Compression::Gzip, 10); });
  expect_error(Errc::Invalid, "compressing by zstd: level 99",
               [] { compress("", Compression::Zstd, 99); });
  expect_error(Errc::Unsupported, "compressing by xz: only gzip and zstd are written",
               [] { compress("", Compression::Xz); });
}

}  // namespace
}  // namespace layerkit
