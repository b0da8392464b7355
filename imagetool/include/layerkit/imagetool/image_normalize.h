#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "layerkit/base/context.h"
#include "layerkit/imagetool/archive.h"
#include "layerkit/imagetool/image_source.h"

namespace layerkit {

/// What becomes the same whoever made an image, and when.
struct Normalization {
  struct Owner {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
  };

  /// Seconds; times above this are lowered to it, those of files and of the config. Unset: kept.
  std::optional<std::int64_t> latest_time;
  std::optional<Owner> owner;  ///< of all files; unset: kept
};

/// Writes all layers anew, each as what it changes of the tree below: entries sorted, explicit
/// whiteouts, nothing that is below as it is, numeric owners, modification times alone. So the same
/// trees give the same bytes, but for a file with several names that a layer has again as it was.
/// What the layers show is the same but for times and owners. Doing it again changes nothing.
SaveItem normalize_image(const std::shared_ptr<ImageSource>& source,
                         const Normalization& how,
                         const Context& context);

}  // namespace layerkit
