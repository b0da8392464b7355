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

std::string describe_items(const LayerItems& items) {
  std::string text;
  for (const LayerItem& item : items) {
    const Entry& entry = item.entry;
    text += entry.hides == Hides::Path    ? "  whiteout "
            : entry.hides == Hides::Below ? "  opaque "
                                          : "  " + describe(entry, item.contents) + " ";
    text += layerkit::quoted(entry.path.str());
    if (entry.hard_link_target) text += " = " + layerkit::quoted(entry.hard_link_target->str());
    text += "\n";
  }
  return text;
}

/// Entries that may follow each other; the first that must be refused is kept apart.
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

/// What the reader gives of a diff directory, applied to the same lower layers again, must show
/// the same tree.
void expect_reader_round_trip(LayerStack& stack, const TreeDump& wanted) {
  const auto lower = stack.lower_view();
  auto reader = make_overlay_diff_reader(stack.diff_fd(), lower, stack.context());
  make_dir_at(stack.temp().fd(), "again", 0755);
  auto writer =
      make_overlay_diff_writer(open_dir_at(stack.temp().fd(), "again"), lower, stack.context());
  copy_layer(*reader, *writer, stack.context());
  std::vector<std::shared_ptr<const LayerTree>> layers;
  if (lower) layers.push_back(lower);
  layers.push_back(stack.layer("again"));
  const auto view = make_union_view(std::move(layers));
  expect_same_tree(dump_tree(*view), without_links(wanted), "reader round trip");
  remove_tree_at(stack.temp().fd(), "again");
}

void check_stack(std::uint64_t seed) {
  RandomLayers random(seed);
  LayerModel model;
  LayerStack stack;
  std::string story;
  const std::size_t layers = 1 + random.below(4);
  for (std::size_t i = 0; i < layers && !::testing::Test::HasFailure(); ++i) {
    const RandomLayer layer = make_layer(random, model);
    story += fmt::format("layer {}:\n{}", i, describe_items(layer.items));
    SCOPED_TRACE(fmt::format("seed {}\n{}", seed, story));
    if (layer.refused) {
      SCOPED_TRACE("must be refused:\n" + describe_items(*layer.refused));
      expect_error(Errc::Invalid, "unpacking", [&] { stack.apply(*layer.refused); });
    }
    stack.apply(layer.items);
    const TreeDump wanted = model.dump();
    expect_same_tree(stack.shown(), wanted, "mount against the model");
    expect_reader_round_trip(stack, wanted);
  }
}

/// One of the equal parts of all stacks, so that they can run side by side.
class OverlayDiffPropertyTest : public PrivateMountsTest,
                                public ::testing::WithParamInterface<std::uint64_t> {
 protected:
  void SetUp() override {
    PrivateMountsTest::SetUp();
    if (!IsSkipped()) use_memory_for_files();
  }
};

constexpr std::uint64_t kParts = 8;
constexpr std::uint64_t kStacks = 2000;

/// LAYERKIT_PROPERTY_STACKS says how many, LAYERKIT_PROPERTY_SEED where to begin.
TEST_P(OverlayDiffPropertyTest, MountAndUnionViewEqualApplyingLayersInTurn) {
  const auto number = [](const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets it
    return text == nullptr ? otherwise : parse_decimal(text).value();
  };
  const std::uint64_t begin = number("LAYERKIT_PROPERTY_SEED", 1);
  const std::uint64_t stacks = number("LAYERKIT_PROPERTY_STACKS", kStacks);
  const std::uint64_t first = begin + GetParam() * stacks / kParts;
  const std::uint64_t end = begin + (GetParam() + 1) * stacks / kParts;
  fmt::print("seeds {} to {}\n", first, end - 1);
  for (std::uint64_t seed = first; seed < end && !HasFailure(); ++seed) {
    check_stack(seed);
  }
}

INSTANTIATE_TEST_SUITE_P(Parts,
                         OverlayDiffPropertyTest,
                         ::testing::Range<std::uint64_t>(0, kParts));

}  // namespace
}  // namespace layerkit::testing
