#include <gtest/gtest.h>

#include "conformance.h"
#include "layerkit/layerstore/compression.h"
#include "odd_tars.h"
#include "store_fixture.h"

namespace layerkit::testing {
namespace {

class RoundTripTest : public StoreTest, public ::testing::WithParamInterface<OddTar> {
 protected:
  /// The layers that the odd ones are laid on: each name they hide or link to is there.
  ChainId base() {
    const std::string tar = raw_file("a", "below") + raw_file("d/old", "below") +
                            raw_file("dir/x", "below") + raw_file("f", "below") + tar_end();
    return import(tar).chain;
  }
};

TEST_P(RoundTripTest, IsExportedByteForByte) {
  for (const auto& parent : {std::optional<ChainId>(), std::optional<ChainId>(base())}) {
    const LayerInfo layer = import(GetParam().bytes, parent);
    EXPECT_TRUE(exported(layer.chain) == GetParam().bytes);
    EXPECT_EQ(layer.tar_size, GetParam().bytes.size());
  }
}

INSTANTIATE_TEST_SUITE_P(Tars,
                         RoundTripTest,
                         ::testing::ValuesIn(odd_tars()),
                         [](const ::testing::TestParamInfo<OddTar>& tar) {
                           return std::string(tar.param.name);
                         });

/// Rules about whole streams and what the store makes of them.
class ConformanceOfStores : public StoreTest {};

TEST_F(ConformanceOfStores, C10_DuplicatesKeepTheirBytes) {
  const std::string tar =
      raw_file("a", "first") + raw_file("./a", "second") + raw_file("a", "third") + tar_end();
  const LayerInfo layer = import(tar);
  EXPECT_EQ(read(layer_path(layer.chain, "diff/a")), "third");
  EXPECT_TRUE(exported(layer.chain) == tar);
}

TEST_F(ConformanceOfStores, C35_EveryByteOfTheStreamIsHashed) {
  const std::string tar = raw_file("f", "x") + tar_end();
  for (const std::string& tail :
       {std::string(1, '\0'), std::string(9000, '\0'), std::string("tail")}) {
    const LayerInfo layer = import(tar + tail);
    EXPECT_EQ(layer.diff_id, diff_id_of(tar + tail));
    EXPECT_NE(layer.diff_id, diff_id_of(tar));
    EXPECT_EQ(layer.tar_size, tar.size() + tail.size());
  }
  // A stream that goes on after the end is not the layer that stops there.
  const auto transaction = store_->begin();
  const std::string longer = tar + "x";
  MemorySource source(longer);
  expect_error(Errc::Integrity, "does not match its digest",
               [&] { transaction->add(std::nullopt, source, diff_id_of(tar), Context{}); });
}

TEST_F(ConformanceOfStores, C36_EmptyLayersAreLayers) {
  EXPECT_EQ(import("").diff_id, diff_id_of(""));
  EXPECT_EQ(import(tar_end()).diff_id.hex(),
            "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef");
  EXPECT_EQ(import(raw_file("f", "no end")).tar_size, 1024U);
}

TEST_F(ConformanceOfStores, R01_WhatOthersLoadAndCannotSaveIsSaved) {
  // Docker and podman load these and fail to save them.
  for (const std::string& members :
       {raw_file(".wh.x", "a whiteout with contents"), raw_header({.name = "./", .type = '5'}),
        raw_file("d/.wh..wh..opq", "contents") + raw_file("d/f", "f")}) {
    const std::string tar = members + tar_end();
    EXPECT_TRUE(exported(import(tar).chain) == tar);
  }
}

TEST_F(ConformanceOfStores, R01_AChangedStoreIsSaidAndNeverExported) {
  const LayerInfo layer = import(raw_file("f", "data") + tar_end());
  write(layer_path(layer.chain, "diff/f"), "atad");
  expect_error(Errc::Integrity, "the file 'f' was changed in the store: its contents differ",
               [&] { exported(layer.chain); });
}

/// Reads a compressed stream to its end.
std::string decompressed(const std::string& bytes) {
  MemorySource source(bytes);
  const auto plain = make_decompressing_source(source, "stream");
  return read_all(*plain, 1 << 20, "stream");
}

std::string gzip(const std::string& text) {
  std::string bytes;
  MemorySink sink(bytes);
  const auto compressing = make_compressing_sink(sink, Compression::Gzip);
  compressing->write(as_bytes(text));
  compressing->finish();
  return bytes;
}

TEST(ConformanceOfStreams, C36_GzipIsReadWholeAndVerified) {
  const std::string one = gzip("one");
  EXPECT_EQ(decompressed(one + gzip("two") + std::string(600, '\0')), "onetwo");
  EXPECT_EQ(decompressed(""), "");
  expect_error(Errc::Integrity, "", [&] { decompressed(one + "junk"); });
  expect_error(Errc::Integrity, "", [&] { decompressed(one.substr(0, one.size() - 1)); });
  std::string bad_checksum = one;
  bad_checksum[one.size() - 8] = static_cast<char>(bad_checksum[one.size() - 8] ^ 1);
  expect_error(Errc::Integrity, "", [&] { decompressed(bad_checksum); });
  std::string bad_length = one;
  bad_length[one.size() - 1] = static_cast<char>(bad_length[one.size() - 1] ^ 1);
  expect_error(Errc::Integrity, "", [&] { decompressed(bad_length); });
}

}  // namespace
}  // namespace layerkit::testing
