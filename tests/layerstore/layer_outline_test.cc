#include "layerkit/layerstore/layer_outline.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "expect_error.h"
#include "layer_items.h"
#include "layer_model.h"
#include "layer_outlines.h"
#include "layerkit/layerstore/tree_reader.h"
#include "random_layers.h"

namespace layerkit::testing {
namespace {

Tree view_of(std::vector<Tree> layers) {
  return make_union_view(std::move(layers));
}

std::vector<Tree> part(const std::vector<Tree>& layers, std::size_t begin, std::size_t end) {
  return {layers.begin() + static_cast<std::ptrdiff_t>(begin),
          layers.begin() + static_cast<std::ptrdiff_t>(end)};
}

Tree lower_of(const std::vector<Tree>& layers, std::size_t count) {
  return count == 0 ? nullptr : view_of(part(layers, 0, count));
}

class Story {
 public:
  explicit Story(std::uint64_t seed) : random_(seed) {}

  void add_layer() {
    LayerItems items;
    model_.begin_layer();
    const std::size_t count = 1 + random_.below(25);
    while (items.size() < count) {
      const LayerItem item = random_.next();
      if (model_.apply(item)) {
        items.push_back(item);
        continue;
      }
      LayerItems refused = items;
      refused.push_back(item);
      expect_error(Errc::Invalid, "",
                   [&] { outline(tar_of(refused), lower_of(layers_, layers_.size())); });
    }
    model_.end_layer();
    layers_.push_back(outline(tar_of(items), lower_of(layers_, layers_.size())));
    dumps_.push_back(model_.dump());
  }

  void check_flattened() {
    const auto reader = make_tree_reader(view_of(layers_), nullptr, Context());
    expect_tree(*view_of({outline(tar_of(*reader), nullptr)}), dumps_.back(), "flattened");
  }

  /// Some layers next to each other made into one.
  void check_squashed() {
    const std::size_t begin = random_.below(layers_.size());
    const std::size_t end = begin + 1 + random_.below(layers_.size() - begin);
    const auto lower = lower_of(layers_, begin);
    const auto reader =
        make_tree_reader(make_stacked_layer(part(layers_, begin, end)), lower, Context());
    std::vector<Tree> layers = part(layers_, 0, begin);
    layers.push_back(outline(tar_of(*reader), lower));
    expect_tree(*view_of(layers), dumps_[end - 1], "squashed");
    for (const Tree& upper : part(layers_, end, layers_.size()))
      layers.push_back(upper);
    expect_tree(*view_of(layers), dumps_.back(), "squashed in the middle");
  }

  void check_difference() {
    const std::size_t from = random_.below(layers_.size());
    const std::size_t to = random_.below(layers_.size());
    const auto before = lower_of(layers_, from + 1);
    const auto after = lower_of(layers_, to + 1);
    const auto reader = make_difference_reader(before, after, Context());
    std::vector<Tree> layers = part(layers_, 0, from + 1);
    layers.push_back(outline(tar_of(*reader), before));
    expect_tree(*view_of(layers), dumps_[to], "difference");
    const auto none = make_difference_reader(after, after, Context());
    EXPECT_FALSE(none->next());
  }

  const std::vector<Tree>& layers() const { return layers_; }
  const TreeDump& wanted() const { return dumps_.back(); }
  std::size_t below(std::size_t bound) { return random_.below(bound); }

 private:
  RandomLayers random_;
  LayerModel model_;
  std::vector<Tree> layers_;
  std::vector<TreeDump> dumps_;  ///< what is seen with so many layers
};

TEST(LayerOutlineTest, RandomStacksAreWhatApplyingThemInTurnGives) {
  for (std::uint64_t seed = 1; seed <= 1500 && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Story story(seed);
    const std::size_t layers = 1 + story.below(4);
    for (std::size_t i = 0; i < layers && !::testing::Test::HasFailure(); ++i) {
      story.add_layer();
      expect_tree(*view_of(story.layers()), story.wanted(), "outline");
    }
    story.check_flattened();
    story.check_squashed();
    story.check_difference();
  }
}

}  // namespace
}  // namespace layerkit::testing
