#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "archive/archive_documents.h"
#include "archive/archive_writers.h"
#include "archive/layer_export.h"
#include "archive/layout_index.h"
#include "archive/verified_source.h"
#include "layerkit/base/error.h"
#include "layerkit/base/interruptible_source.h"

namespace layerkit {
namespace {

using Json = nlohmann::ordered_json;

std::string layer_type(Compression compression) {
  std::string type(kOciLayerType);
  if (compression == Compression::None) return type;
  if (compression == Compression::Gzip || compression == Compression::Zstd) {
    return type + "+" + std::string(compression_name(compression));
  }
  fail(Errc::Unsupported, "layers are not written as {}", compression_name(compression));
}

Json describe(std::string_view media_type, const BlobId& digest, std::uint64_t size) {
  return {{"mediaType", media_type}, {"digest", digest.str()}, {"size", size}};
}

Json platform_of(const Image& image) {
  const Platform platform = image.platform();
  Json json = {{"architecture", platform.architecture}, {"os", platform.os}};
  if (!platform.variant.empty()) json["variant"] = platform.variant;
  return json;
}

class OciWriter {
 public:
  OciWriter(const LayerPacking& layers,
            const MakeTemporaryFile& make_temporary_file,
            ArchiveOutput& output,
            const Context& context)
      : packing_(layers),
        make_temporary_file_(make_temporary_file),
        output_(output),
        context_(context) {}

  void write(const std::vector<SaveItem>& items) {
    add_text(output_, "oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
    Json entries = Json::array();
    for (const SaveItem& item : items) {
      Json entry = write_image(item);
      if (item.names.empty()) entries.push_back(entry);
      for (const ImageName& name : item.names) {
        // The words of docker ≥ 25: containerd reads the first, podman and skopeo the second.
        entry["annotations"] = {{kImageNameKey, name.full()}, {kRefNameKey, name.tag()}};
        entries.push_back(entry);
      }
    }
    write_layout_index(output_, entries);
  }

 private:
  /// The image's index entry, without annotations.
  Json write_image(const SaveItem& item) {
    const Image& image = item.image;
    Json layers = Json::array();
    for (const LayerInput& layer : item.layers)
      layers.push_back(write_layer(layer));
    if (item.manifest &&
        std::ranges::all_of(item.layers, [&](const LayerInput& layer) { return keeps(layer); })) {
      write_blob(kOciConfigType, image.config_bytes());
      return with_platform(write_blob(item.manifest->media_type, item.manifest->text), image);
    }
    const Json manifest = {{"schemaVersion", 2},
                           {"mediaType", kOciManifestType},
                           {"config", write_blob(kOciConfigType, image.config_bytes())},
                           {"layers", std::move(layers)}};
    return with_platform(write_blob(kOciManifestType, manifest.dump()), image);
  }

  static Json with_platform(Json entry, const Image& image) {
    if (!image.platform().architecture.empty()) entry["platform"] = platform_of(image);
    return entry;
  }

  bool keeps(const LayerInput& layer) const { return layer.packed && !packing_.compression; }

  Json write_layer(const LayerInput& layer) {
    if (keeps(layer)) return write_packed(layer);
    const auto known = layers_.find(layer.diff_id);
    if (known != layers_.end() && (layer.is_left_out || known->second.is_written))
      return known->second.descriptor;
    const Compression compression = packing_.compression.value_or(Compression::Gzip);
    const LayerExport exported(layer, compression, packing_.level, make_temporary_file_, context_);
    add_layer(layer, exported.digest(), exported.size(),
              [&](ByteSink& sink) { exported.write(sink); });
    Json descriptor = describe(layer_type(compression), exported.digest(), exported.size());
    layers_.insert_or_assign(layer.diff_id, WrittenLayer{descriptor, !layer.is_left_out});
    return descriptor;
  }

  Json write_packed(const LayerInput& layer) {
    const PackedLayer& packed = *layer.packed;
    add_layer(layer, packed.digest, packed.size, [&](ByteSink& sink) {
      const auto blob = packed.open();
      InterruptibleSource bytes(*blob, context_);
      copy_bytes(bytes, sink);
    });
    return describe(layer_type(packed.compression), packed.digest, packed.size);
  }

  void add_layer(const LayerInput& layer,
                 const BlobId& digest,
                 std::uint64_t size,
                 const ArchiveOutput::Producer& produce) {
    if (!layer.is_left_out && blobs_.insert(digest).second)
      output_.add(blob_path(digest).str(), size, produce);
  }

  Json write_blob(std::string_view media_type, const std::string& text) {
    const BlobId digest(Sha256::of(text));
    if (blobs_.insert(digest).second) add_text(output_, blob_path(digest).str(), text);
    return describe(media_type, digest, text.size());
  }

  struct WrittenLayer {
    Json descriptor;
    bool is_written = false;
  };

  const LayerPacking& packing_;
  const MakeTemporaryFile& make_temporary_file_;
  ArchiveOutput& output_;
  const Context& context_;
  std::map<DiffId, WrittenLayer> layers_;  ///< that were packed here
  std::set<BlobId> blobs_;
};

}  // namespace

void write_oci_layout(const std::vector<SaveItem>& items,
                      const LayerPacking& layers,
                      const MakeTemporaryFile& make_temporary_file,
                      ArchiveOutput& output,
                      const Context& context) {
  OciWriter(layers, make_temporary_file, output, context).write(items);
}

}  // namespace layerkit
