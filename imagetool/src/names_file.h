#pragma once

#include <map>
#include <string>
#include <string_view>

#include "layerkit/imagetool/image_store.h"

namespace layerkit {

/// What a name points at.
struct NameTarget {
  ImageId image;
  std::string tagged;  ///< RFC 3339, when the name was set
  bool operator==(const NameTarget&) const = default;
};

/// The content of names.json (docs/formats/store.md, "Images and names").
using Names = std::map<ImageName, NameTarget>;

/// Throws Error{Invalid} for damage, Error{Unsupported} for a version it does not know.
Names parse_names(std::string_view text);
std::string format_names(const Names& names);

}  // namespace layerkit
