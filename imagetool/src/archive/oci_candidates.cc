#include "archive/oci_candidates.h"

#include "archive/platform_match.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

/// BuildKit's provenance and SBOM manifests, stored next to the image they speak about.
bool is_attestation(const Descriptor& descriptor) {
  return !descriptor.annotation("vnd.docker.reference.type").empty() ||
         (descriptor.platform && is_unknown_platform(*descriptor.platform));
}

std::string artifact_reason(const Descriptor& descriptor, const ImageManifest& manifest) {
  const std::string what = descriptor.digest.str() + " is an artifact, not an image: ";
  if (!manifest.config) return what + "it has no config";
  return what + "its config is of type " + quoted(manifest.config->media_type);
}

}  // namespace

std::vector<OciCandidate> OciWalker::candidates(const Descriptor& entry) {
  Walk walk;
  visit(entry, 1, walk);
  return std::move(walk.found);
}

void OciWalker::visit(const Descriptor& descriptor, unsigned depth, Walk& walk) {
  context_.check_interrupted();
  if (is_attestation(descriptor) || !walk.seen.insert(descriptor.digest).second) return;
  if (is_index_type(descriptor.media_type)) {
    visit_index(descriptor, depth, walk);
  } else if (is_manifest_type(descriptor.media_type)) {
    visit_manifest(descriptor, walk);
  } else {
    ignore(fmt::format("{} has the media type {}, which is no image", descriptor.digest.str(),
                       quoted(descriptor.media_type)));
  }
}

void OciWalker::visit_index(const Descriptor& descriptor, unsigned depth, Walk& walk) {
  if (const unsigned most = blobs_.limits().index_nesting; depth > most) {
    fail(Errc::Limit, "indexes are nested more than {} deep (the limit max-nesting)", most);
  }
  const auto text = blobs_.read(descriptor);
  if (!text) {
    missing_.push_back(fmt::format("index {} is missing", descriptor.digest.str()));
    return;
  }
  const ImageIndex index =
      parse_index(*text, "index " + descriptor.digest.str(), descriptor.media_type);
  for (const Descriptor& entry : index.manifests) {
    visit(entry, depth + 1, walk);
  }
}

void OciWalker::visit_manifest(const Descriptor& descriptor, Walk& walk) {
  auto text = blobs_.read(descriptor);
  if (!text) {
    missing_.push_back(fmt::format("manifest {} is missing", descriptor.digest.str()));
    return;
  }
  ImageManifest manifest =
      parse_manifest(*text, "manifest " + descriptor.digest.str(), descriptor.media_type);
  // Opening compares sizes: a layout that contradicts itself is refused whatever it holds.
  for (const Descriptor& layer : manifest.layers) {
    blobs_.open(layer);
  }
  if (manifest.config) blobs_.open(*manifest.config);
  if (!manifest.config || !is_image_config_type(manifest.config->media_type)) {
    ignore(artifact_reason(descriptor, manifest));
    return;
  }
  const Platform platform = platform_of(descriptor, *manifest.config);
  if (is_unknown_platform(platform)) return;
  walk.found.push_back({descriptor.digest,
                        {descriptor.media_type, std::move(*text)},
                        std::move(manifest),
                        platform});
}

Platform OciWalker::platform_of(const Descriptor& descriptor, const Descriptor& config) {
  if (descriptor.platform && !descriptor.platform->architecture.empty()) {
    return *descriptor.platform;
  }
  const auto text = blobs_.read(config);
  return text ? Image::parse(*text).platform() : Platform{};
}

}  // namespace layerkit
