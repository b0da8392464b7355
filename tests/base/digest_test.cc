#include "layerkit/base/digest.h"

#include <gtest/gtest.h>

#include "expect_error.h"

namespace layerkit {
namespace {

using testing::expect_error;

constexpr const char* kEmpty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

TEST(DigestTest, HashesAsFips180Says) {
  EXPECT_EQ(Sha256::of("").hex(), kEmpty);
  EXPECT_EQ(Sha256::of("abc").hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(DigestTest, FinishStartsANewHash) {
  Sha256 hash;
  hash.update("abc");
  EXPECT_EQ(hash.finish(), Sha256::of("abc"));
  EXPECT_EQ(hash.finish().hex(), kEmpty);
}

TEST(DigestTest, ParsesOnlyTheExactForm) {
  EXPECT_EQ(DiffId::parse(std::string("sha256:") + kEmpty).hex(), kEmpty);
  const std::string upper =
      "sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855";
  for (const std::string& text : {std::string(kEmpty), upper, std::string("sha256:../../etc/x"),
                                  std::string("sha512:") + kEmpty,
                                  "sha256:" + std::string(kEmpty) + "0", std::string("sha256:")}) {
    expect_error(Errc::Invalid, "reading digest", [&text] { DiffId::parse(text); });
  }
}

TEST(DigestTest, ChainIdFollowsTheImageSpec) {
  const DiffId first(Sha256::of("first"));
  const DiffId second(Sha256::of("second"));
  const ChainId base = chain_id(std::nullopt, first);
  EXPECT_EQ(base.str(), first.str());
  EXPECT_EQ(chain_id(base, second).digest(), Sha256::of(first.str() + " " + second.str()));
}

}  // namespace
}  // namespace layerkit
