#include "cli/mount_request.h"

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit::cli {

UnionType parse_union_type(const std::string& text) {
  if (text == "auto") return UnionType::Automatic;
  if (text == "overlay") return UnionType::Overlay;
  if (text == "aufs") return UnionType::Aufs;
  if (text == "fuse") return UnionType::Fuse;
  fail(Errc::Invalid, "{} is no type of union: auto, overlay, aufs or fuse", quoted(text));
}

}  // namespace layerkit::cli
