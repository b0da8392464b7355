#include "layerkit/imagetool/image_normalize.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "layerkit/layerstore/tree_reader.h"
#include "random_stack.h"

namespace layerkit::testing {
namespace {

/// A line of a dump, "TYPE MODE UID:GID SECONDS.NANOSECONDS …", as it is to be.
std::string normalized_line(const std::string& line, const Normalization& how) {
  std::vector<std::string> words;
  for (const std::string_view word : split(line, ' '))
    words.emplace_back(word);
  if (how.owner) words[2] = fmt::format("{}:{}", how.owner->uid, how.owner->gid);
  const auto seconds = parse_decimal(split(words[3], '.')[0]);
  if (how.latest_time && static_cast<std::int64_t>(seconds.value()) >= *how.latest_time) {
    words[3] = fmt::format("{}.000000000", *how.latest_time);
  }
  return fmt::format("{}", fmt::join(words, " "));
}

TreeDump normalized_dump(TreeDump dump, const Normalization& how) {
  for (auto& [path, line] : dump)
    line = normalized_line(line, how);
  return dump;
}

/// The same layers as differences of trees: no opaque directories, nothing twice.
std::shared_ptr<ImageSource> as_differences(ImageSource& image) {
  std::vector<std::string> tars;
  for (std::size_t i = 0; i < image.layers(); ++i) {
    const auto before = i == 0 ? make_union_view({}) : image.view(i);
    tars.push_back(tar_of(*make_difference_reader(before, image.view(i + 1), Context())));
  }
  return std::make_shared<MemoryImage>(tars);
}

TEST(NormalizeImageTest, RandomTreesStayButForTimesAndOwners) {
  for_each_seed([](std::uint64_t seed) {
    RandomStack stack(seed);
    stack.add_layers(1 + stack.below(4));
    Normalization how;
    if (stack.below(3) > 0) how.latest_time = static_cast<std::int64_t>(stack.below(2'000'000'000));
    if (stack.below(2) == 0) how.owner = {static_cast<std::uint32_t>(stack.below(3)), 7};
    const auto source = stack.image();
    const SaveItem item = normalize_image(source, how, Context());
    const auto result = std::make_shared<MemoryImage>(tars_of(item));
    for (std::size_t i = 0; i < result->layers(); ++i)
      expect_tree(*result->view(i + 1), normalized_dump(stack.dumps()[i], how), "normalized");
    EXPECT_EQ(normalize_image(source, how, Context()).image.id(), item.image.id());
    const SaveItem again = normalize_image(result, how, Context());
    EXPECT_EQ(again.image.diff_ids(), item.image.diff_ids());
    for (const auto& other : {said_again(*source), as_differences(*source)}) {
      const SaveItem same = normalize_image(other, how, Context());
      EXPECT_EQ(same.image.diff_ids(), item.image.diff_ids());
    }
  });
}

std::vector<DiffId> normalized_ids(const std::vector<LayerItems>& layers) {
  std::vector<std::string> tars;
  for (const LayerItems& items : layers)
    tars.push_back(tar_of(items));
  return normalize_image(std::make_shared<MemoryImage>(tars), {}, Context()).image.diff_ids();
}

TEST(NormalizeImageTest, EqualTreesGiveEqualBytesHoweverTheyAreMade) {
  const LayerItems base{dir("a"), file("a/x", "1"), file("a/y", "2"), file("b", "3")};
  LayerItems reversed = base;
  std::ranges::reverse(reversed);
  EXPECT_EQ(normalized_ids({base}), normalized_ids({reversed}));
  const LayerItems whiteouts{dir("a"), whiteout("a/x"), whiteout("a/y"), file("a/z", "4")};
  const LayerItems marker{dir("a"), opaque("a"), file("a/z", "4")};
  const LayerItems replaced{whiteout("a"), dir("a"), file("a/z", "4")};
  EXPECT_EQ(normalized_ids({base, whiteouts}), normalized_ids({base, marker}));
  EXPECT_EQ(normalized_ids({base, whiteouts}), normalized_ids({base, replaced}));
  LayerItems repeated = whiteouts;
  repeated.push_back(file("b", "3"));
  EXPECT_EQ(normalized_ids({base, whiteouts}), normalized_ids({base, repeated}));
  repeated.back() = file("b", "4");
  EXPECT_NE(normalized_ids({base, whiteouts}), normalized_ids({base, repeated}));
}

TEST(NormalizeImageTest, TimesOfTheConfigAreLowered) {
  const auto source =
      std::make_shared<MemoryImage>(std::vector<std::string>{tar_of(LayerItems{file("a")})});
  const SaveItem item = normalize_image(source, {1'700'000'000, {}}, Context());
  EXPECT_EQ(item.image.config().at("created"), "2023-11-14T22:13:20Z");
  EXPECT_EQ(item.image.history()[0].created, "2023-11-14T22:13:20Z");
  const SaveItem later = normalize_image(source, {1'800'000'000, {}}, Context());
  EXPECT_EQ(later.image.config().at("created"), "2024-05-14T01:28:19.5Z");
  EXPECT_EQ(later.image.history()[0].created, "2024-05-14T01:28:19.5Z");
  EXPECT_EQ(normalize_image(source, {}, Context()).image.config().at("created"),
            "2024-05-14T01:28:19.5Z");
}

}  // namespace
}  // namespace layerkit::testing
