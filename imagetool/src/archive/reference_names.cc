#include "archive/reference_names.h"

#include <algorithm>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {

std::optional<ImageName> parse_name_if_valid(std::string_view text) {
  try {
    return ImageName::parse(text);
  } catch (const Error& error) {
    if (error.code() == Errc::Invalid) return std::nullopt;
    throw;
  }
}

std::optional<ImageName> archived_name(std::string_view text, const Context& context) {
  auto name = parse_name_if_valid(text);
  if (!name) context.warn(fmt::format("ignoring {}: it is not an image name", quoted(text)));
  return name;
}

std::optional<ImageName> reference_name(const Descriptor& entry, const Context& context) {
  const std::string image_name = entry.annotation(kImageNameKey);
  if (!image_name.empty()) return archived_name(image_name, context);
  // A bare word may be meant as a tag (umoci, skopeo); like podman, it is taken as the name, for
  // the layout knows no other.
  const std::string reference = entry.annotation(kRefNameKey);
  if (reference.empty()) return std::nullopt;
  return archived_name(reference, context);
}

void add_names(std::vector<ImageName>& names, const std::vector<ImageName>& more) {
  for (const ImageName& name : more) {
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
}

}  // namespace layerkit
