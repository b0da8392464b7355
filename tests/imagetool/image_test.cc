#include "layerkit/imagetool/image.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "expect_error.h"

namespace layerkit {
namespace {

using nlohmann::json;
using testing::expect_error;

constexpr char kEmptyLayer[] =
    "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

std::string config_with(const std::string& members) {
  return R"({"architecture":"amd64","os":"linux",)" + members +
         R"("rootfs":{"type":"layers","diff_ids":[]}})";
}

TEST(ImageTest, KeepsTheConfigByteForByteAndHashesIt) {
  const std::string config = "{ \"rootfs\" : {\"type\":\"layers\", \"diff_ids\":[]},\n \"x\":1 }\n";
  const Image image = Image::parse(config);
  EXPECT_EQ(image.config_bytes(), config);
  EXPECT_EQ(image.id().digest(), Sha256::of(config));
  EXPECT_EQ(image.config()["x"], 1);
}

TEST(ImageTest, AKnownConfigHasTheIdOtherToolsGiveIt) {
  const std::string config =
      R"({"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}})";
  EXPECT_EQ(Image::parse(config).id().str(),
            "sha256:c5b1d63604f273462ef36fadac3182d43ae6a6138731cf594b314835cf1c034f");
}

TEST(ImageTest, ChainIdsFollowTheImageSpecification) {
  // Made with sha256sum: the second is that of "<first> <DiffID>", and so on.
  const std::string config = std::string(R"({"rootfs":{"type":"layers","diff_ids":[)") + "\"" +
                             kEmptyLayer + "\",\"" + kEmptyLayer + "\",\"" + kEmptyLayer + "\"]}}";
  const Image image = Image::parse(config);
  const std::vector<ChainId> chains = image.chain_ids();
  ASSERT_EQ(chains.size(), 3U);
  EXPECT_EQ(chains[0].str(), kEmptyLayer);
  EXPECT_EQ(chains[1].str(),
            "sha256:170b376f64fb30995c140276be3d71dfb256b308d86183ca3b22aa93a79ad548");
  EXPECT_EQ(chains[2].str(),
            "sha256:7800f80a93336d416612f372faa5f69eb67b353ce6ae9535fa0848f8784c74b1");
  EXPECT_EQ(image.top(), chains[2]);
}

/// An image of so many layers with this history, and the layer of each of its steps (-1: none).
std::vector<int> layers_of_steps(std::size_t layers, const std::string& history) {
  json config = json::parse(R"({"rootfs":{"type":"layers","diff_ids":[]}})");
  for (std::size_t i = 0; i < layers; ++i)
    config["rootfs"]["diff_ids"].push_back(kEmptyLayer);
  config["history"] = json::parse(history);
  std::vector<int> found;
  for (const HistoryStep& step : Image::parse(config.dump()).history())
    found.push_back(step.layer ? static_cast<int>(*step.layer) : -1);
  return found;
}

TEST(ImageTest, ARecordStandsForTheNextLayerUnlessItSaysItIsEmpty) {
  EXPECT_EQ(layers_of_steps(3, R"([{},{"empty_layer":true},{"empty_layer":false},{}])"),
            (std::vector<int>{0, -1, 1, 2}));
}

TEST(ImageTest, RecordsAndLayersWithoutAPartnerAreStepsOfTheirOwn) {
  EXPECT_EQ(layers_of_steps(1, "[{},{}]"), (std::vector<int>{0, -1}));
  EXPECT_EQ(layers_of_steps(3, R"([{"empty_layer":true},{}])"), (std::vector<int>{-1, 0, 1, 2}));
  EXPECT_EQ(layers_of_steps(2, "null"), (std::vector<int>{0, 1}));
  EXPECT_EQ(layers_of_steps(0, "null"), std::vector<int>{});
}

TEST(ImageTest, AStepSaysWhatItsRecordSays) {
  const Image image = Image::parse(config_with(
      R"("history":[{"created":"2020-01-01T00:00:00Z","created_by":"sh","comment":"c"}],)"));
  EXPECT_EQ(image.history(),
            (std::vector<HistoryStep>{{"2020-01-01T00:00:00Z", "sh", "c", std::nullopt}}));
}

TEST(ImageTest, AnImageMayHaveNoLayers) {
  const Image image = Image::parse(R"({"rootfs":{"type":"layers","diff_ids":null}})");
  EXPECT_TRUE(image.diff_ids().empty());
  EXPECT_EQ(image.top(), std::nullopt);
}

TEST(ImageTest, RefusesAConfigWithoutLayerList) {
  expect_error(Errc::Invalid, "reading config: 'rootfs' is missing", [] { Image::parse("{}"); });
  expect_error(Errc::Invalid, "reading config: 'rootfs.type' is not 'layers'",
               [] { Image::parse(R"({"rootfs":{"type":"layer+base","diff_ids":[]}})"); });
  expect_error(Errc::Invalid, "reading config: it is not an object", [] { Image::parse("[]"); });
}

TEST(ImageTest, RefusesDiffIdsThatAreNotDigests) {
  expect_error(Errc::Invalid, "reading config: 'rootfs.diff_ids[0]'", [] {
    Image::parse(R"({"rootfs":{"type":"layers","diff_ids":["sha256:../../etc/passwd"]}})");
  });
  expect_error(Errc::Invalid, "'rootfs.diff_ids[0]' is not a string",
               [] { Image::parse(R"({"rootfs":{"type":"layers","diff_ids":[7]}})"); });
}

TEST(ImageTest, RefusesFieldsOfTheWrongType) {
  const auto refuse = [](const std::string& members, const std::string& message) {
    expect_error(Errc::Invalid, message, [&] { Image::parse(config_with(members)); });
  };
  refuse(R"("created":5,)", "'created' is not a string");
  refuse(R"("config":{"Env":"A=B"},)", "'config.Env' is not an array");
  refuse(R"("config":{"Cmd":["a",1]},)", "'config.Cmd[1]' is not a string");
  refuse(R"("config":{"Labels":{"a":1}},)", "'config.Labels.a' is not a string");
  refuse(R"("config":{"Volumes":["/x"]},)", "'config.Volumes' is not an object");
  refuse(R"("history":{},)", "'history' is not an array");
  refuse(R"("history":[{"empty_layer":"yes"}],)", "'history[0].empty_layer' is not true or false");
  refuse(R"("os":"linux",)", "duplicate key 'os'");
}

TEST(ImageTest, AcceptsACommandThatIsOneString) {
  const Image image = Image::parse(config_with(R"("config":{"Cmd":"sh","Entrypoint":null},)"));
  EXPECT_EQ(image.config()["config"]["Cmd"], "sh");
}

TEST(ImageTest, RefusesAHugeConfig) {
  expect_error(Errc::Limit, "parsing config",
               [] { Image::parse(std::string((std::size_t{4} << 20) + 1, ' ')); });
}

const Image::Addition kAddition = {.layer = DiffId::parse(kEmptyLayer),
                                   .created = "2024-05-14T01:28:19Z",
                                   .created_by = "sh",
                                   .author = "me",
                                   .comment = "why"};

TEST(ImageTest, ALayerOnTopIsRecordedAndUnknownFieldsStay) {
  const Image base = Image::parse(config_with(
      R"("history":[{"created_by":"first"}],"vendor":{"x":[1]},"config":{"Env":["A=B"]},)"));
  const Image image = base.with_layer(kAddition, nullptr);
  EXPECT_EQ(image.diff_ids(), std::vector{DiffId::parse(kEmptyLayer)});
  EXPECT_EQ(image.config()["vendor"], base.config()["vendor"]);
  EXPECT_EQ(image.config()["config"], base.config()["config"]);
  EXPECT_EQ(image.config()["created"], "2024-05-14T01:28:19Z");
  EXPECT_EQ(image.config()["author"], "me");
  EXPECT_EQ(image.config()["history"],
            json::parse(R"([{"created_by":"first"},{"created":"2024-05-14T01:28:19Z",)"
                        R"("created_by":"sh","author":"me","comment":"why"}])"));
  EXPECT_TRUE(base.diff_ids().empty()) << "images do not change";
}

TEST(ImageTest, LayersWithoutARecordKeepTheNewOneFromStandingForThem) {
  const Image image =
      Image::parse(
          config_with(
              R"("history":[{"created_by":"ENV","empty_layer":true},{"empty_layer":null}],)"))
          .with_layer(kAddition, nullptr)
          .with_layer(kAddition, nullptr);
  json bare = image.config();
  bare.erase("history");
  const json history = Image::parse(bare.dump()).with_layer(kAddition, nullptr).config()["history"];
  EXPECT_EQ(image.config()["history"].size(), 4U) << "what has a record gets no other";
  ASSERT_EQ(history.size(), 3U);
  EXPECT_EQ(history[0], json::object());
  EXPECT_EQ(history[1], json::object());
  EXPECT_EQ(history[2]["created_by"], "sh");
}

TEST(ImageTest, ALayerOnTopMayBringANewConfig) {
  const json changed = {{"Cmd", {"python3"}}};
  const Image image = Image::parse(config_with(R"("config":{"Env":["A=B"]},)"))
                          .with_layer({.layer = DiffId::parse(kEmptyLayer),
                                       .created = "2024-05-14T01:28:19Z",
                                       .created_by = "",
                                       .author = "",
                                       .comment = ""},
                                      &changed);
  EXPECT_EQ(image.config()["config"], changed);
  EXPECT_FALSE(image.config().contains("author"));
}

TEST(ImageTest, TextThatIsNotUtf8CannotEnterAConfig) {
  const Image base = Image::parse(config_with(""));
  expect_error(Errc::Invalid, "writing config: a string in it is not valid UTF-8", [&] {
    base.with_layer({.layer = DiffId::parse(kEmptyLayer),
                     .created = "",
                     .created_by = "\xff",
                     .author = "",
                     .comment = ""},
                    nullptr);
  });
}

TEST(PlatformTest, ReadsAndWritesPlatforms) {
  EXPECT_EQ(Platform::parse("linux/amd64").str(), "linux/amd64");
  EXPECT_EQ(Platform::parse("Linux/x86_64").str(), "linux/amd64");
  EXPECT_EQ(Platform::parse("linux/arm").str(), "linux/arm/v7");
  EXPECT_EQ(Platform::parse("linux/arm/6").str(), "linux/arm/v6");
  EXPECT_EQ(Platform::parse("linux/aarch64").str(), "linux/arm64");
  EXPECT_EQ(Platform::parse("linux/arm64/v8").str(), "linux/arm64");
  EXPECT_EQ(Platform::parse("linux/armhf").str(), "linux/arm/v7");
}

TEST(PlatformTest, RefusesWhatIsNotAPlatform) {
  for (const std::string text :
       {"", "linux", "linux/", "/amd64", "linux/amd64/v1/x", "lin ux/a", "linux/../x"}) {
    expect_error(Errc::Invalid, "it is not OS/ARCHITECTURE[/VARIANT]",
                 [&] { Platform::parse(text); });
  }
}

TEST(PlatformTest, TheHostIsAPlatformOfLinux) {
  EXPECT_EQ(Platform::host().os, "linux");
  EXPECT_EQ(Platform::parse(Platform::host().str()), Platform::host());
}

}  // namespace
}  // namespace layerkit
