#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>

#include "expect_error.h"
#include "layer_model.h"
#include "layer_stack.h"
#include "layerkit/base/text.h"
#include "random_layers.h"

namespace layerkit::testing {
namespace {

struct RandomLayer {
  LayerItems items;
  std::optional<LayerItems> refused;
};

RandomLayer make_layer(RandomLayers& random, LayerModel& model) {
  RandomLayer layer;
  model.begin_layer();
  const std::size_t count = 1 + random.below(25);
  while (layer.items.size() < count) {
    const LayerItem item = random.next();
    if (model.apply(item)) {
      layer.items.push_back(item);
    } else if (!layer.refused) {
      layer.refused = layer.items;
      layer.refused->push_back(item);
    }
  }
  model.end_layer();
  return layer;
}

/// What the reader gives of a branch, applied to the same lower layers again in the other format,
/// must show the same tree.
void expect_conversion(LayerStack& stack, const TreeDump& wanted) {
  const auto lower = stack.lower_view();
  auto reader = make_diff_reader(stack.diff_fd(), lower, stack.context(), stack.format());
  const int at = stack.temp().fd();
  make_dir_at(at, "again", 0755);
  auto writer =
      make_diff_writer(open_dir_at(at, "again"), lower, stack.context(), DiffFormat::overlay());
  copy_layer(*reader, *writer, stack.context());
  std::vector<std::shared_ptr<const LayerTree>> layers;
  if (lower && !writer->hides_everything_below()) layers.push_back(lower);
  layers.push_back(make_diff_tree(open_dir_at(at, "again"), DiffFormat::overlay()));
  expect_same_tree(dump_tree(*make_union_view(std::move(layers))), without_links(wanted),
                   "converted");
  remove_tree_at(at, "again");
}

void check_stack(std::uint64_t seed) {
  RandomLayers random(seed);
  LayerModel model;
  LayerStack stack(DiffFormat::aufs());
  const std::size_t layers = 1 + random.below(4);
  for (std::size_t i = 0; i < layers && !::testing::Test::HasFailure(); ++i) {
    const RandomLayer layer = make_layer(random, model);
    SCOPED_TRACE(fmt::format("seed {}, layer {}", seed, i));
    if (layer.refused) {
      expect_error(Errc::Invalid, "unpacking", [&] { stack.apply(*layer.refused); });
    }
    stack.apply(layer.items);
    const TreeDump wanted = model.dump();
    expect_same_tree(stack.shown(), wanted, "union against the model");
    expect_conversion(stack, wanted);
  }
}

/// LAYERKIT_PROPERTY_STACKS says how many, LAYERKIT_PROPERTY_SEED where to begin.
TEST(AufsDiffPropertyTest, UnionEqualsApplyingLayersInTurn) {
  if (::geteuid() != 0) GTEST_SKIP() << "unpacking layers sets owners: it needs root";
  const auto number = [](const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets it
    return text == nullptr ? otherwise : parse_decimal(text).value();
  };
  const std::uint64_t first = number("LAYERKIT_PROPERTY_SEED", 1);
  const std::uint64_t stacks = number("LAYERKIT_PROPERTY_STACKS", 200);
  for (std::uint64_t seed = first; seed < first + stacks && !HasFailure(); ++seed) {
    check_stack(seed);
  }
  RecordProperty("seeds", fmt::format("{} to {}", first, first + stacks - 1));
}

}  // namespace
}  // namespace layerkit::testing
