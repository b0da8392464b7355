#include "cli/image_facts.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "layerkit/base/strict_json.h"
#include "time_format.h"

namespace layerkit::cli {
namespace {

using nlohmann::ordered_json;

/// The record of the last change, whose comment is the image's.
std::string last_comment(const JsonView& config) {
  const auto history = config.find("history");
  if (!history || history->value().empty()) return config.string_or("comment", "");
  return history->items().back().string_or("comment", "");
}

ordered_json graph_driver(ImageStore& store, const Image& image) {
  const StoreDriver driver = store.layers().driver();
  // As docker's AUFS driver, which tells no directories.
  if (driver == StoreDriver::Aufs) return {{"Data", nullptr}, {"Name", driver_name(driver)}};
  ordered_json data = ordered_json::object();
  if (const auto top = image.top()) {
    const LayerPaths paths = store.layers().paths(*top);
    // The base layer has nothing below it, and docker leaves the key out too.
    if (!paths.lower.empty()) data["LowerDir"] = fmt::format("{}", fmt::join(paths.lower, ":"));
    data["MergedDir"] = paths.merged;
    data["UpperDir"] = paths.upper;
    data["WorkDir"] = paths.work;
  }
  return {{"Data", std::move(data)}, {"Name", driver_name(driver)}};
}

ordered_json root_fs(const Image& image) {
  ordered_json layers = ordered_json::array();
  for (const DiffId& layer : image.diff_ids()) {
    layers.push_back(layer.str());
  }
  return {{"Type", "layers"}, {"Layers", std::move(layers)}};
}

}  // namespace

std::string short_id(const ImageId& id) {
  return id.hex().substr(0, 12);
}
std::string short_id(const DiffId& id) {
  return id.hex().substr(0, 12);
}

std::optional<Timestamp> created_time(const Image& image) {
  return parse_rfc3339(JsonView(image.config(), "config").string_or("created", ""));
}

ordered_json inspect_image(ImageStore& store, const ImageStore::Record& record) {
  const Image& image = record.image;
  const JsonView config(image.config(), "config");
  const Platform platform = image.platform();
  ordered_json tags = ordered_json::array();
  for (const ImageName& name : record.names) {
    tags.push_back(name.str());
  }
  const auto execution = config.find("config");
  ordered_json object = {{"Id", image.id().str()},
                         {"RepoTags", std::move(tags)},
                         {"RepoDigests", ordered_json::array()},
                         {"Parent", ""},
                         {"Comment", last_comment(config)},
                         {"Created", config.string_or("created", "")},
                         {"DockerVersion", config.string_or("docker_version", "")},
                         {"Author", config.string_or("author", "")},
                         {"Config", execution ? ordered_json(execution->value()) : ordered_json()},
                         {"Architecture", platform.architecture}};
  if (!platform.variant.empty()) object["Variant"] = platform.variant;
  object["Os"] = platform.os;
  object["Size"] = store.size(image);
  object["GraphDriver"] = graph_driver(store, image);
  object["RootFS"] = root_fs(image);
  object["Metadata"] = {
      {"LastTagTime", record.last_tagged.empty() ? "0001-01-01T00:00:00Z" : record.last_tagged}};
  return object;
}

}  // namespace layerkit::cli
