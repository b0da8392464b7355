#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layerkit/base/digest.h"
#include "layerkit/imagetool/image.h"
#include "layerkit/layerstore/compression.h"

namespace layerkit {

// The JSON documents of image archives, parsed strictly: docker's manifest.json and the OCI image
// layout, index and manifest (OCI image spec 1.1: image-layout.md, image-index.md, manifest.md,
// descriptor.md). `document` is what errors call the text.

/// Of one document, whatever the caller's limit is.
inline constexpr std::size_t kMaxJsonBytes = 4 << 20;
/// Of all configs, or all OCI documents, of one archive: they are in memory at the same time.
inline constexpr std::size_t kMaxAllJsonBytes = 8 << 20;
inline constexpr std::size_t kMaxLayoutBytes = 64 << 10;

inline constexpr std::string_view kOciIndexType = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view kOciManifestType = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kOciConfigType = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view kOciLayerType = "application/vnd.oci.image.layer.v1.tar";
inline constexpr std::string_view kRefNameKey = "org.opencontainers.image.ref.name";
inline constexpr std::string_view kImageNameKey = "io.containerd.image.name";

/// One element of docker's manifest.json. Paths are as written there.
struct DockerManifestItem {
  std::string config;
  std::vector<std::string> repo_tags;
  std::vector<std::string> layers;
};
std::vector<DockerManifestItem> parse_docker_manifest(std::string_view text);

/// A content descriptor. Only SHA-256 is known: another algorithm is Error{Unsupported}.
struct Descriptor {
  std::string media_type;
  BlobId digest;
  std::uint64_t size = 0;
  std::optional<std::string> data;  ///< the embedded content, decoded and verified
  std::optional<Platform> platform;
  std::string artifact_type;
  std::map<std::string, std::string> annotations;

  /// Empty when there is no such annotation.
  std::string annotation(std::string_view key) const;
};

struct ImageIndex {
  std::vector<Descriptor> manifests;
  /// Digests of entries with an algorithm other than SHA-256; they are passed over.
  std::vector<std::string> unknown_digests;
};
/// `media_type`: what the descriptor that led here says; empty for index.json.
/// Throws Error{Invalid} for a document that is also a manifest (CVE-2021-41190) or says it is
/// something else than `media_type`.
ImageIndex parse_index(std::string_view text,
                       const std::string& document,
                       std::string_view media_type);

struct ImageManifest {
  std::optional<Descriptor> config;  ///< artifacts may have none
  std::vector<Descriptor> layers;
  std::string artifact_type;
};
ImageManifest parse_manifest(std::string_view text,
                             const std::string& document,
                             std::string_view media_type);

/// Throws Error{Unsupported} for another version of the image layout than 1.
void check_layout_version(std::string_view text);

bool is_index_type(std::string_view media_type) noexcept;
bool is_manifest_type(std::string_view media_type) noexcept;
bool is_image_config_type(std::string_view media_type) noexcept;

/// What a layer's media type says about its bytes.
struct LayerMediaType {
  Compression compression = Compression::None;
  bool is_foreign = false;  ///< may be absent from the archive on purpose
};
/// nullopt for what is not a layer of an image.
std::optional<LayerMediaType> parse_layer_media_type(std::string_view media_type) noexcept;

}  // namespace layerkit
