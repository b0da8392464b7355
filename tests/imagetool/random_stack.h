#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "layer_items.h"
#include "layer_model.h"
#include "layer_outlines.h"
#include "layerkit/layerstore/tree_reader.h"
#include "memory_image.h"
#include "random_layers.h"

namespace layerkit::testing {

/// Random layers that can be applied in turn, and what is seen with each of them.
class RandomStack {
 public:
  explicit RandomStack(std::uint64_t seed) : random_(seed) {}

  std::size_t below(std::size_t bound) { return random_.below(bound); }
  std::string path() { return random_.path(); }

  void add_layers(std::size_t count) {
    while (count-- > 0)
      add_layer();
  }
  void add_layer() {
    LayerItems items;
    model_.begin_layer();
    const std::size_t count = 1 + random_.below(20);
    while (items.size() < count) {
      LayerItem item = random_.next();
      if (model_.apply(item)) items.push_back(std::move(item));
    }
    end_layer(std::move(items));
  }
  /// False, and the stack is of no use any more, when it cannot be applied to this one.
  bool put_on(const LayerItems& items) {
    model_.begin_layer();
    for (const LayerItem& item : items) {
      if (!model_.apply(item)) return false;
    }
    end_layer(items);
    return true;
  }

  const std::vector<LayerItems>& layers() const { return layers_; }
  const std::vector<TreeDump>& dumps() const { return dumps_; }
  /// For each layer, the paths at which it has or hides something, as LayerModel::touched.
  const std::vector<std::set<std::string>>& touched() const { return touched_; }
  std::vector<std::string> tars() const {
    std::vector<std::string> tars;
    for (const LayerItems& items : layers_)
      tars.push_back(tar_of(items));
    return tars;
  }
  std::shared_ptr<ImageSource> image() const { return std::make_shared<MemoryImage>(tars()); }

 private:
  void end_layer(LayerItems items) {
    touched_.push_back(model_.touched());
    model_.end_layer();
    layers_.push_back(std::move(items));
    dumps_.push_back(model_.dump());
  }

  RandomLayers random_;
  LayerModel model_;
  std::vector<LayerItems> layers_;
  std::vector<TreeDump> dumps_;
  std::vector<std::set<std::string>> touched_;
};

/// The same layers, said in other words: sorted, with all parents, without what says nothing and
/// without ways through symlinks.
inline std::shared_ptr<ImageSource> said_again(ImageSource& image) {
  std::vector<std::string> tars;
  for (std::size_t i = 0; i < image.layers(); ++i)
    tars.push_back(tar_of(*make_tree_reader(image.layer_tree(i), image.view(i), Context())));
  return std::make_shared<MemoryImage>(tars);
}

/// How many random stacks each operation is tried on.
inline constexpr std::uint64_t kStacks = 1500;

/// Runs `check` with each seed until something fails.
template <typename Check>
void for_each_seed(Check&& check) {
  for (std::uint64_t seed = 1; seed <= kStacks && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    check(seed);
  }
}

/// A line of a dump without what it says of links.
inline std::string without_link(const std::string& line) {
  return line.substr(0, line.find(" same file as "));
}

}  // namespace layerkit::testing
