#include "cli/compared_side.h"

#include <optional>
#include <vector>

#include "cli/image_argument.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/compared_tree.h"

namespace layerkit::cli {

const char* const kComparedSideHelp =
    "Each of two operands is an image, container:NAME for what a container would be after "
    "`commit`, "
    "or layer:N:IMAGE for one layer with its whiteouts: N counts from 1, the base, or is the "
    "beginning of its diff ID. An image of the store that is called so is reached by its full "
    "name: docker.io/library/container:NAME.";

namespace {

constexpr std::string_view kLayerPrefix = "layer:";

/// "layer:2:debian:12": "2" and "debian:12". nullopt for what is no such operand.
struct LayerOperand {
  std::string layer;
  std::string image;
};
std::optional<LayerOperand> parse_layer_operand(const std::string& text) {
  if (!text.starts_with(kLayerPrefix)) return std::nullopt;
  std::string rest = text.substr(kLayerPrefix.size());
  if (rest.starts_with("sha256:")) rest.erase(0, std::string_view("sha256:").size());
  const std::size_t colon = rest.find(':');
  if (colon == std::string::npos) return std::nullopt;
  return LayerOperand{rest.substr(0, colon), rest.substr(colon + 1)};
}

/// A number where it can be one: no image has as many layers as a digest's beginning says.
std::size_t find_layer(const Image& image, const LayerOperand& operand) {
  constexpr std::size_t kShortestPrefix = 6;
  const std::vector<DiffId>& layers = image.diff_ids();
  const auto number = parse_decimal(operand.layer);
  if (number && *number >= 1 && *number <= layers.size()) return *number - 1;
  std::vector<std::size_t> meant;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (operand.layer.size() >= kShortestPrefix && layers[i].hex().starts_with(operand.layer)) {
      meant.push_back(i);
    }
  }
  if (meant.empty()) {
    fail(Errc::NotFound, "{} has no layer {}: it has {}, from 1", quoted(operand.image),
         quoted(operand.layer), layers.size());
  }
  if (meant.size() > 1) {
    fail(Errc::Invalid, "{} has {} layers that {} could mean", quoted(operand.image), meant.size(),
         quoted(operand.layer));
  }
  return meant.front();
}

}  // namespace

ComparedSide open_compared_side(Session& session,
                                const std::string& text,
                                const std::string& platform,
                                const Context& context) {
  ComparedSide side;
  if (text.starts_with(kContainerPrefix)) {
    const std::string name = text.substr(kContainerPrefix.size());
    side.containers = std::make_unique<ContainerStore>(session.store_with("container", name));
    const ContainerInfo container = side.containers->find(name);
    side.tree = compared_container(*side.containers, container, context);
    return side;
  }
  if (const auto layer = parse_layer_operand(text)) {
    side.image = open_image(session, {layer->image, platform}, context);
    side.tree = compared_layer(*side.image, find_layer(side.image->image(), *layer));
    return side;
  }
  side.image = open_image(session, {text, platform}, context);
  side.tree = compared_image(*side.image);
  return side;
}

}  // namespace layerkit::cli
