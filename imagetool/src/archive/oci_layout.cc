#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "archive/archive_readers.h"
#include "archive/oci_blobs.h"
#include "archive/oci_candidates.h"
#include "archive/platform_match.h"
#include "archive/reference_names.h"
#include "archive/verified_source.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

/// Candidates of which one platform's are wanted.
struct Reference {
  std::string text;  ///< entries of the same name are one image for several platforms
  std::vector<ImageName> names;
  bool is_one_image = true;  ///< false: every candidate of the right platform is an image
  std::vector<OciCandidate> candidates;
};

ImageIndex read_index(const OciBlobs& blobs, OciWalker& walker) {
  const auto text = read_document(blobs.container(), RelPath::parse("index.json"), blobs.limits());
  if (!text) fail(Errc::NotFound, "the archive has no 'index.json'");
  ImageIndex index = parse_index(*text, "index.json", "");
  for (const std::string& digest : index.unknown_digests) {
    walker.ignore(fmt::format("{} has a digest that is not known", quoted(digest)));
  }
  return index;
}

/// Entries of one name belong together. So do nameless ones that are manifests themselves: one
/// image for several platforms, or several images for one. A nameless index stands alone.
Reference& reference_for(std::vector<Reference>& references, const Descriptor& entry) {
  std::string text = entry.annotation(kImageNameKey);
  if (text.empty()) text = entry.annotation(kRefNameKey);
  const bool is_one_image = !text.empty() || is_index_type(entry.media_type);
  if (!text.empty() || !is_one_image) {
    const auto same = std::ranges::find_if(references, [&](const Reference& reference) {
      return reference.text == text && reference.is_one_image == is_one_image;
    });
    if (same != references.end()) return *same;
  }
  references.push_back({std::move(text), {}, is_one_image, {}});
  return references.back();
}

std::vector<Reference> read_references(const OciBlobs& blobs,
                                       OciWalker& walker,
                                       const Context& context) {
  std::vector<Reference> references;
  for (const Descriptor& entry : read_index(blobs, walker).manifests) {
    std::vector<OciCandidate> candidates = walker.candidates(entry);
    if (candidates.empty()) continue;
    Reference& reference = reference_for(references, entry);
    if (reference.names.empty()) {
      if (const auto name = reference_name(entry, context)) reference.names = {*name};
    }
    std::ranges::move(candidates, std::back_inserter(reference.candidates));
  }
  return references;
}

std::vector<Platform> platforms(std::span<const OciCandidate> candidates) {
  std::vector<Platform> all;
  for (const OciCandidate& candidate : candidates) {
    if (std::ranges::find(all, candidate.platform) == all.end()) all.push_back(candidate.platform);
  }
  return all;
}

/// The candidates that serve `wanted` best, all equally well.
std::vector<const OciCandidate*> best_for(const Platform& wanted,
                                          std::span<const OciCandidate> candidates) {
  std::vector<const OciCandidate*> best;
  std::optional<int> best_distance;
  for (const OciCandidate& candidate : candidates) {
    const auto distance = platform_distance(wanted, candidate.platform);
    if (!distance || (best_distance && *distance > *best_distance)) continue;
    if (distance != best_distance) best.clear();
    best_distance = distance;
    best.push_back(&candidate);
  }
  return best;
}

/// Empty when the user named a platform that the reference lacks.
std::vector<const OciCandidate*> choose(const Reference& reference,
                                        const std::optional<Platform>& platform) {
  auto chosen = best_for(platform ? *platform : Platform::host(), reference.candidates);
  if (chosen.empty() && !platform) {
    const std::vector<Platform> offered = platforms(reference.candidates);
    if (offered.size() > 1) fail_no_platform(Platform::host(), offered);
    chosen = best_for(offered.front(), reference.candidates);
  }
  if (reference.is_one_image && chosen.size() > 1) chosen.resize(1);
  return chosen;
}

[[noreturn]] void fail_no_image(const OciWalker& walker) {
  std::vector<std::string> reasons = walker.missing();
  std::ranges::copy(walker.ignored(), std::back_inserter(reasons));
  fail(Errc::NotFound, "it holds no image{}{}", reasons.empty() ? "" : ": ",
       fmt::join(reasons, "; "));
}

class OciLayoutReader final : public ArchiveReader {
 public:
  OciLayoutReader(std::unique_ptr<BlobContainer> container,
                  const Context& context,
                  const LoadLimits& limits)
      : container_(std::move(container)), context_(context), blobs_(*container_, limits) {}

  const std::string& name() const noexcept override { return container_->name(); }
  std::string_view format() const noexcept override {
    return container_->is_directory() ? "oci" : "oci-archive";
  }

  std::vector<ArchivedImage> images(const std::optional<Platform>& platform) override {
    OciWalker walker(blobs_, context_);
    const std::vector<Reference> references = read_references(blobs_, walker, context_);
    if (references.empty()) fail_no_image(walker);
    std::vector<ArchivedImage> images;
    std::vector<Platform> offered;
    for (const Reference& reference : references) {
      for (const OciCandidate* candidate : choose(reference, platform)) {
        add_image(images, *candidate, reference.names);
      }
      std::ranges::copy(platforms(reference.candidates), std::back_inserter(offered));
    }
    if (images.empty()) fail_no_platform(*platform, offered);
    for (const std::string& reason : walker.ignored()) {
      context_.warn(reason);
    }
    return images;
  }

  ArchivedLayer open_layer(const std::string& handle) override {
    const Layer& layer = layer_of(handle);
    auto file = blobs_.open(layer.descriptor);
    if (!file) {
      fail(Errc::NotFound, "{} {} is missing from the archive",
           layer.type.is_foreign ? "foreign layer" : "layer", layer.descriptor.digest.str());
    }
    return {std::move(file->bytes), file->size, layer.type.compression, file->file, file->offset};
  }

  std::optional<PackedLayer> packed_layer(const std::string& handle) override {
    const Layer& layer = layer_of(handle);
    if (layer.type.is_foreign || !blobs_.open(layer.descriptor)) return std::nullopt;
    return PackedLayer{layer.descriptor.digest, layer.descriptor.size, layer.type.compression,
                       [this, handle] { return open_layer(handle).bytes; }};
  }

  std::unique_ptr<ByteSource> open_layer_at(const std::string& handle,
                                            std::uint64_t offset) override {
    return open_file_at(*container_, blob_path(layer_of(handle).descriptor.digest), offset);
  }

 private:
  struct Layer {
    Descriptor descriptor;
    LayerMediaType type;
  };

  const Layer& layer_of(const std::string& handle) const {
    const auto number = parse_decimal(handle);
    if (!number || *number >= layers_.size()) {
      fail(Errc::Invalid, "opening layer {}: it is not of this archive", quoted(handle));
    }
    return layers_[*number];
  }

  void add_image(std::vector<ArchivedImage>& images,
                 const OciCandidate& candidate,
                 const std::vector<ImageName>& names) {
    ArchivedImage image = with_context([&] { return "manifest " + candidate.digest.str(); },
                                       [&] { return read_image(candidate.manifest); });
    image.names = names;
    image.manifest = candidate.document;
    merge_image(images, std::move(image));
  }

  ArchivedImage read_image(const ImageManifest& manifest) {
    auto config = blobs_.read(*manifest.config);
    if (!config) fail(Errc::NotFound, "config {} is missing", manifest.config->digest.str());
    ArchivedImage image{Image::parse(std::move(*config)), {}, {}};
    if (image.image.diff_ids().size() != manifest.layers.size()) {
      fail(Errc::Invalid, "it has {} layers, its config {}", manifest.layers.size(),
           image.image.diff_ids().size());
    }
    for (const Descriptor& layer : manifest.layers) {
      image.layers.push_back(remember(layer));
    }
    return image;
  }

  std::string remember(const Descriptor& layer) {
    const auto type = parse_layer_media_type(layer.media_type);
    if (!type) {
      fail(Errc::Unsupported, "layer {} has the media type {}, which is not known",
           layer.digest.str(), quoted(layer.media_type));
    }
    layers_.push_back({layer, *type});
    return std::to_string(layers_.size() - 1);
  }

  std::unique_ptr<BlobContainer> container_;
  const Context& context_;
  OciBlobs blobs_;
  std::vector<Layer> layers_;
};

}  // namespace

std::unique_ptr<ArchiveReader> make_oci_layout_reader(std::unique_ptr<BlobContainer> container,
                                                      const Context& context,
                                                      const LoadLimits& limits) {
  const auto version = read_document(*container, RelPath::parse("oci-layout"), limits);
  if (version) {
    check_layout_version(*version);
  } else if (container->is_directory()) {
    fail(Errc::Invalid, "the image layout has no file 'oci-layout'");
  } else {
    context.warn(fmt::format("{} has no file 'oci-layout'", quoted(container->name())));
  }
  return std::make_unique<OciLayoutReader>(std::move(container), context, limits);
}

void merge_image(std::vector<ArchivedImage>& images, ArchivedImage image) {
  const auto same = std::ranges::find_if(
      images, [&](const ArchivedImage& other) { return other.image.id() == image.image.id(); });
  if (same != images.end()) {
    add_names(same->names, image.names);
  } else {
    images.push_back(std::move(image));
  }
}

std::map<ImageId, std::vector<ImageName>> oci_image_names(const BlobContainer& container,
                                                          const Context& context,
                                                          const LoadLimits& limits) {
  OciBlobs blobs(container, limits);
  OciWalker walker(blobs, context);
  std::map<ImageId, std::vector<ImageName>> names;
  for (const Reference& reference : read_references(blobs, walker, context)) {
    for (const OciCandidate& candidate : reference.candidates) {
      add_names(names[ImageId(candidate.manifest.config->digest.digest())], reference.names);
    }
  }
  return names;
}

void fail_no_platform(const Platform& wanted, const std::vector<Platform>& offered) {
  std::vector<std::string> texts;
  for (const Platform& platform : offered) {
    if (std::ranges::find(texts, platform.str()) == texts.end()) texts.push_back(platform.str());
  }
  fail(Errc::NotFound, "it holds no image for {}, but for {}", wanted.str(),
       fmt::join(texts, ", "));
}

}  // namespace layerkit
