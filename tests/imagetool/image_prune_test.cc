#include <unistd.h>

#include "image_filter.h"
#include "image_store_fixture.h"
#include "layerkit/imagetool/disk_usage.h"

namespace layerkit::testing {
namespace {

Image labelled(const std::string& created, const std::string& labels) {
  return Image::parse(R"({"created":")" + created + R"(","config":{"Labels":)" + labels +
                      R"(},"rootfs":{"type":"layers","diff_ids":[]}})");
}

bool takes(const std::string& filter, const Image& image) {
  PruneFilter parsed;
  parsed.add(filter, {1'700'000'000, 0});
  return parsed.takes(image);
}

TEST(PruneFilterTest, TellsImagesByTheirLabels) {
  const Image image = labelled("2024-01-01T00:00:00Z", R"({"a":"1","b":""})");
  EXPECT_TRUE(takes("label=a", image));
  EXPECT_TRUE(takes("label=a=1", image));
  EXPECT_FALSE(takes("label=a=2", image));
  EXPECT_FALSE(takes("label=c", image));
  EXPECT_TRUE(takes("label=b=", image));
  EXPECT_FALSE(takes("label!=a", image));
  EXPECT_TRUE(takes("label!=a=2", image));
  EXPECT_TRUE(takes("label!=c", image));
}

TEST(PruneFilterTest, TellsImagesByTheirAge) {
  const Image image = labelled("2023-11-14T22:13:20Z", "{}");  // second 1,700,000,000
  EXPECT_TRUE(takes("until=2023-11-15", image));
  EXPECT_FALSE(takes("until=2023-11-14", image));
  EXPECT_FALSE(takes("until=2023-11-14T22:13:20Z", image));
  EXPECT_TRUE(takes("until=2023-11-14T22:13:21Z", image));
  EXPECT_TRUE(takes("until=2023-11-14T22:14", image));
  EXPECT_TRUE(takes("until=1700000001", image));
  EXPECT_FALSE(takes("until=1h30m", image));
  EXPECT_TRUE(takes("until=1h30m", labelled("2023-11-14T20:00:00Z", "{}")));
  EXPECT_FALSE(takes("until=1h30m", labelled("", "{}"))) << "an age that nobody knows";
}

TEST(PruneFilterTest, RefusesWhatItDoesNotKnow) {
  PruneFilter filter;
  for (const char* text : {"color=red", "label", "label=", "until", "dangling"}) {
    EXPECT_THROW(filter.add(text, {}), Error) << text;
  }
  expect_error(Errc::Invalid, "invalid time: '3 days'", [&] { filter.add("until=3 days", {}); });
  expect_error(Errc::Invalid, "invalid time: '5d'", [&] { filter.add("until=5d", {}); });
  expect_error(Errc::Invalid, "'maybe' is neither true nor false",
               [&] { filter.add("dangling=maybe", {}); });
  filter.add("dangling=false", {});
  EXPECT_EQ(filter.dangling(), false);
}

const std::string kBase = layer_tar("base", std::string(1000, 'b'));
const std::string kTop = layer_tar("top", std::string(200, 't'));
const std::string kApp = layer_tar("app", std::string(30, 'a'));

class PruneTest : public ImageStoreTest {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "unpacking layers sets owners: it needs root";
  }
  void add(const std::vector<std::string>& layers, std::string_view tag) {
    TarBuilder tar;
    std::vector<std::string> names;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      names.push_back(fmt::format("l{}", i));
      tar.file(names.back(), layers[i]);
    }
    load(tar.file("c", image_config(layers))
             .file("manifest.json", "[" + manifest_item("c", tag, names) + "]"));
  }
};

TEST_F(PruneTest, RemovesWhatIsUnwantedAndTheLayersThatNobodyNeedsThen) {
  add({kBase, kTop}, "top:1");
  add({kBase, kApp}, "");
  const auto pruned = images().prune([](const auto& record) { return record.names.empty(); });
  EXPECT_TRUE(pruned.untagged.empty());
  ASSERT_EQ(pruned.images.size(), 1U);
  EXPECT_EQ(pruned.images[0].str(), sha256(image_config({kBase, kApp})));
  ASSERT_EQ(pruned.layers.size(), 1U);
  EXPECT_EQ(pruned.layers[0].size, 30U);
  EXPECT_EQ(images().layers().layers().size(), 2U);
  EXPECT_EQ(images().find("top:1").image.config_bytes(), image_config({kBase, kTop}));
}

TEST_F(PruneTest, KeepsImagesThatAreUsed) {
  add({kBase, kTop}, "top:1");
  add({kBase, kApp}, "app:1");
  const ImageId used = images().find("app:1").image.id();
  images().set_users([&](const ImageId& id) {
    return id == used ? std::vector<std::string>{"c1"} : std::vector<std::string>{};
  });
  const auto pruned = images().prune([](const auto&) { return true; });
  EXPECT_EQ(pruned.untagged, std::vector{ImageName::parse("top:1")});
  EXPECT_EQ(pruned.layers.size(), 1U);
  EXPECT_EQ(images().list().size(), 1U);
  EXPECT_EQ(images().find("app:1").image.id(), used);
}

TEST_F(PruneTest, AnUnreadableImageStopsItBeforeAnythingIsGone) {
  add({kBase, kTop}, "");
  add({kBase, kApp}, "app:1");
  const std::string config = "images/images/" + hex_of(image_config({kBase, kApp}));
  write_file_at(dir_.fd(), config, "rubbish", 0600);
  expect_error(Errc::Integrity, "was changed: its digest differs",
               [&] { images().prune([](const auto&) { return true; }); });
  EXPECT_EQ(images().layers().layers().size(), 3U);
  EXPECT_TRUE(stat_at(dir_.fd(), "images/images/" + hex_of(image_config({kBase, kTop}))));
}

TEST_F(PruneTest, DiskUsageCountsSharedLayersOnce) {
  add({kBase, kTop}, "top:1");
  add({kBase, kApp}, "app:1");
  const ContainerStore containers(images());
  DiskUsage usage = measure_disk_usage(images(), containers);
  EXPECT_EQ(usage.layers_size, 1230U);
  EXPECT_EQ(usage.layers_reclaimable, 1230U);
  ASSERT_EQ(usage.images.size(), 2U);
  for (const ImageUsage& image : usage.images) {
    const bool is_app = image.record.names.front() == ImageName::parse("app:1");
    EXPECT_EQ(image.size, is_app ? 1030U : 1200U);
    EXPECT_EQ(image.shared, 1000U);
    EXPECT_EQ(image.unique, is_app ? 30U : 200U);
    EXPECT_EQ(image.containers, 0U);
  }
}

}  // namespace
}  // namespace layerkit::testing
