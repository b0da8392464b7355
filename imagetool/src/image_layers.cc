#include "image_layers.h"

#include <utility>

#include "layerkit/base/error.h"
#include "layerkit/base/interruptible_source.h"
#include "layerkit/layerstore/layer_outline.h"
#include "temporary_directory.h"

namespace layerkit {

std::vector<std::size_t> steps_with_layers(const std::vector<ImageStep>& steps) {
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (steps[i].layer) places.push_back(i);
  }
  return places;
}

std::vector<std::shared_ptr<const LayerTree>> apply_layers(const SaveItem& item,
                                                           const Context& context) {
  std::vector<std::shared_ptr<const LayerTree>> trees;
  const auto temporary = std::make_shared<const Fd>(open_temporary_directory());
  for (std::size_t i = 0; i < item.layers.size(); ++i) {
    const LayerInput& layer = item.layers[i];
    auto lower = trees.empty() ? nullptr : make_union_view(trees);
    const auto what = [&] { return fmt::format("layer {} of the new image", i + 1); };
    with_context(what, [&] {
      const auto tar = layer.open();
      trees.push_back(outline_layer(
          *tar, std::move(lower),
          [&layer](std::uint64_t offset, std::uint64_t /*length*/) {
            auto bytes = layer.open();
            bytes->skip(offset);
            return bytes;
          },
          temporary, context));
    });
  }
  return trees;
}

void verify_layers(ImageSource& source,
                   std::size_t begin,
                   std::size_t end,
                   const Context& context) {
  for (std::size_t i = begin; i < end; ++i) {
    source.layer_tree(i);
    if (source.is_verified(i)) continue;
    const auto tar = source.open_layer(i);
    InterruptibleSource bytes(*tar, context);
    drain(bytes);
  }
}

}  // namespace layerkit
