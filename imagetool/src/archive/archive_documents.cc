#include "archive/archive_documents.h"

#include <array>
#include <nlohmann/json.hpp>

#include "layerkit/base/error.h"
#include "layerkit/base/strict_json.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

constexpr std::string_view kDockerIndexType =
    "application/vnd.docker.distribution.manifest.list.v2+json";
constexpr std::string_view kDockerManifestType =
    "application/vnd.docker.distribution.manifest.v2+json";
constexpr std::string_view kDockerConfigType = "application/vnd.docker.container.image.v1+json";

std::optional<unsigned> base64_value(char digit) noexcept {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::size_t value = kDigits.find(digit);
  if (value == std::string_view::npos) return std::nullopt;
  return static_cast<unsigned>(value);
}

/// RFC 4648 section 4; nullopt for anything that is not padded base64.
std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  for (int padding = 0; padding < 2 && text.ends_with('='); ++padding)
    text.remove_suffix(1);
  std::string bytes;
  unsigned bits = 0;
  unsigned pending = 0;
  for (const char digit : text) {
    const auto value = base64_value(digit);
    if (!value) return std::nullopt;
    bits = (bits << 6 | *value) & 0xffffU;
    pending += 6;
    if (pending >= 8) {
      pending -= 8;
      bytes += static_cast<char>(bits >> pending & 0xffU);
    }
  }
  return bytes;
}

std::string verified_data(const JsonView& view, const BlobId& digest, std::uint64_t size) {
  auto bytes = decode_base64(view.string());
  if (!bytes) view.refuse("is not base64");
  if (bytes->size() != size || Sha256::of(*bytes) != digest.digest()) {
    view.refuse("does not match its descriptor");
  }
  return std::move(*bytes);
}

Platform parse_platform(const JsonView& view) {
  Platform platform;
  platform.os = view.string_or("os", "");
  platform.architecture = view.string_or("architecture", "");
  platform.variant = view.string_or("variant", "");
  return platform;
}

BlobId parse_digest(const JsonView& view) {
  const std::string& text = view.string();
  const std::string_view algorithm = split(text, ':').front();
  if (algorithm.size() != text.size() && algorithm != "sha256") {
    fail(Errc::Unsupported, "reading {}: digest {} is not of the algorithm sha256", view.document(),
         layerkit::quoted(text));
  }
  return with_context([&] { return "reading " + view.document(); },
                      [&] { return BlobId::parse(text); });
}

Descriptor parse_descriptor(const JsonView& view) {
  Descriptor descriptor{.media_type = view.string_or("mediaType", ""),
                        .digest = parse_digest(view.at("digest")),
                        .size = view.at("size").unsigned_number(),
                        .data = {},
                        .platform = {},
                        .artifact_type = view.string_or("artifactType", ""),
                        .annotations = {}};
  if (const auto data = view.find("data")) {
    descriptor.data = verified_data(*data, descriptor.digest, descriptor.size);
  }
  if (const auto platform = view.find("platform")) descriptor.platform = parse_platform(*platform);
  if (const auto annotations = view.find("annotations")) {
    for (const auto& [key, value] : annotations->members()) {
      descriptor.annotations.emplace(key, value.string());
    }
  }
  return descriptor;
}

/// One document must not be readable as two kinds, or tools disagree about what was loaded.
void check_kind(const JsonView& view,
                std::string_view media_type,
                std::initializer_list<std::string_view> foreign_keys) {
  if (view.at("schemaVersion").unsigned_number() != 2) view.at("schemaVersion").refuse("is not 2");
  for (const std::string_view key : foreign_keys) {
    if (view.find(key)) view.at(key).refuse("does not belong into such a document");
  }
  const auto own_type = view.find("mediaType");
  if (own_type && !media_type.empty() && own_type->string() != media_type) {
    own_type->refuse("contradicts the descriptor, which says " + layerkit::quoted(media_type));
  }
}

/// Elements of an array that Go programs write as null when it is empty.
std::vector<JsonView> items_or_none(const JsonView& view, std::string_view key) {
  const auto array = view.find(key);
  return array ? array->items() : std::vector<JsonView>();
}

std::vector<std::string> strings_or_none(const JsonView& view, std::string_view key) {
  const auto array = view.find(key);
  return array ? array->strings() : std::vector<std::string>();
}

bool is_sha256(const JsonView& descriptor) {
  return descriptor.at("digest").string().starts_with("sha256:");
}

}  // namespace

std::string Descriptor::annotation(std::string_view key) const {
  const auto found = annotations.find(std::string(key));
  return found == annotations.end() ? "" : found->second;
}

std::vector<DockerManifestItem> parse_docker_manifest(std::string_view text) {
  const nlohmann::json json = parse_json(text, "manifest.json", kMaxJsonBytes);
  std::vector<DockerManifestItem> items;
  for (const JsonView& view : JsonView(json, "manifest.json").items()) {
    items.push_back({.config = view.at("Config").string(),
                     .repo_tags = strings_or_none(view, "RepoTags"),
                     .layers = strings_or_none(view, "Layers")});
  }
  return items;
}

ImageIndex parse_index(std::string_view text,
                       const std::string& document,
                       std::string_view media_type) {
  const nlohmann::json json = parse_json(text, document, kMaxJsonBytes);
  const JsonView view(json, document);
  check_kind(view, media_type, {"layers", "config", "fsLayers"});
  const auto own_type = view.find("mediaType");
  if (own_type && !is_index_type(own_type->string())) own_type->refuse("is not that of an index");
  ImageIndex index;
  for (const JsonView& item : items_or_none(view, "manifests")) {
    if (is_sha256(item)) {
      index.manifests.push_back(parse_descriptor(item));
    } else {
      index.unknown_digests.push_back(item.at("digest").string());
    }
  }
  return index;
}

ImageManifest parse_manifest(std::string_view text,
                             const std::string& document,
                             std::string_view media_type) {
  const nlohmann::json json = parse_json(text, document, kMaxJsonBytes);
  const JsonView view(json, document);
  check_kind(view, media_type, {"manifests", "fsLayers"});
  ImageManifest manifest;
  manifest.artifact_type = view.string_or("artifactType", "");
  if (const auto config = view.find("config")) manifest.config = parse_descriptor(*config);
  for (const JsonView& layer : items_or_none(view, "layers")) {
    manifest.layers.push_back(parse_descriptor(layer));
  }
  return manifest;
}

void check_layout_version(std::string_view text) {
  const nlohmann::json json = parse_json(text, "oci-layout", kMaxLayoutBytes);
  const JsonView version = JsonView(json, "oci-layout").at("imageLayoutVersion");
  if (!version.string().starts_with("1.")) {
    fail(Errc::Unsupported, "image layout version {} is not known",
         layerkit::quoted(version.string()));
  }
}

bool is_index_type(std::string_view media_type) noexcept {
  return media_type == kOciIndexType || media_type == kDockerIndexType;
}

bool is_manifest_type(std::string_view media_type) noexcept {
  return media_type == kOciManifestType || media_type == kDockerManifestType;
}

bool is_image_config_type(std::string_view media_type) noexcept {
  return media_type == kOciConfigType || media_type == kDockerConfigType;
}

std::optional<LayerMediaType> parse_layer_media_type(std::string_view media_type) noexcept {
  struct Base {
    std::string_view prefix;
    char separator;
    bool is_foreign;
  };
  static constexpr std::array<Base, 4> kBases = {{
      {kOciLayerType, '+', false},
      {"application/vnd.oci.image.layer.nondistributable.v1.tar", '+', true},
      {"application/vnd.docker.image.rootfs.diff.tar", '.', false},
      {"application/vnd.docker.image.rootfs.foreign.diff.tar", '.', true},
  }};
  for (const Base& base : kBases) {
    if (!media_type.starts_with(base.prefix)) continue;
    std::string_view rest = media_type.substr(base.prefix.size());
    if (rest.empty()) return LayerMediaType{Compression::None, base.is_foreign};
    if (rest.front() != base.separator) return std::nullopt;
    rest.remove_prefix(1);
    if (rest == "gzip") return LayerMediaType{Compression::Gzip, base.is_foreign};
    if (rest == "zstd") return LayerMediaType{Compression::Zstd, base.is_foreign};
  }
  return std::nullopt;
}

}  // namespace layerkit
