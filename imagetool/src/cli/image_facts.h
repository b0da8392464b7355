#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "layerkit/base/entry.h"
#include "layerkit/imagetool/image_store.h"

namespace layerkit::cli {

/// The first twelve digits, as docker shows IDs.
std::string short_id(const ImageId& id);
std::string short_id(const DiffId& id);
/// `created` of the config; nullopt when absent or not a time.
std::optional<Timestamp> created_time(const Image& image);

/// The object that `docker image inspect` gives for an image, with its keys in its order.
nlohmann::ordered_json inspect_image(ImageStore& store, const ImageStore::Record& record);

}  // namespace layerkit::cli
