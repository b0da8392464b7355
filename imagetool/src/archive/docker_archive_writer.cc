#include <nlohmann/json.hpp>
#include <set>

#include "archive/archive_writers.h"
#include "archive/layer_export.h"
#include "layerkit/base/error.h"

namespace layerkit {
namespace {

using Json = nlohmann::ordered_json;

std::string layer_name(const DiffId& layer, Compression compression) {
  switch (compression) {
    case Compression::None:
      return layer.hex() + ".tar";
    case Compression::Gzip:
      return layer.hex() + ".tar.gz";
    case Compression::Zstd:
      return layer.hex() + ".tar.zst";
    case Compression::Xz:
    case Compression::Bzip2:
      break;
  }
  fail(Errc::Unsupported, "layers are not written as {}", compression_name(compression));
}

std::string manifest_text(const std::vector<SaveItem>& items, Compression compression) {
  Json manifest = Json::array();
  for (const SaveItem& item : items) {
    Json tags = Json::array();
    for (const ImageName& name : item.names)
      tags.push_back(name.str());
    Json layers = Json::array();
    for (const DiffId& layer : item.image.diff_ids()) {
      layers.push_back(layer_name(layer, compression));
    }
    manifest.push_back({{"Config", item.image.id().hex() + ".json"},
                        {"RepoTags", tags.empty() ? Json() : std::move(tags)},
                        {"Layers", std::move(layers)}});
  }
  return manifest.dump();
}

/// What docker before 1.10 read: repository, tag, top layer. Still written by docker itself.
std::string repositories_text(const std::vector<SaveItem>& items) {
  std::map<std::string, std::map<std::string, std::string>> repositories;
  for (const SaveItem& item : items) {
    if (item.image.diff_ids().empty()) continue;
    for (const ImageName& name : item.names) {
      repositories[name.repository()][name.tag()] = item.image.diff_ids().back().hex();
    }
  }
  return repositories.empty() ? "" : Json(repositories).dump();
}

}  // namespace

void write_docker_archive(const std::vector<SaveItem>& items,
                          const LayerPacking& layers,
                          const MakeTemporaryFile& make_temporary_file,
                          ArchiveOutput& output,
                          const Context& context) {
  const Compression compression = layers.compression.value_or(Compression::None);
  add_text(output, "manifest.json", manifest_text(items, compression));
  const std::string repositories = repositories_text(items);
  if (!repositories.empty()) add_text(output, "repositories", repositories);
  for (const SaveItem& item : items) {
    add_text(output, item.image.id().hex() + ".json", item.image.config_bytes());
  }
  std::set<DiffId> written;
  for (const SaveItem& item : items) {
    for (const LayerInput& layer : item.layers) {
      if (layer.is_left_out || !written.insert(layer.diff_id).second) continue;
      const LayerExport exported(layer, compression, layers.level, make_temporary_file, context);
      output.add(layer_name(layer.diff_id, compression), exported.size(),
                 [&](ByteSink& sink) { exported.write(sink); });
    }
  }
}

}  // namespace layerkit
