#include <algorithm>

#include "archive/archive_documents.h"
#include "archive/archive_readers.h"
#include "archive/platform_match.h"
#include "archive/reference_names.h"
#include "archive/verified_source.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

/// The digest that a file's path in the OCI layout promises; docker ≥ 25 and BuildKit store so.
std::optional<BlobId> promised_digest(const RelPath& path) {
  constexpr std::string_view kPrefix = "blobs/sha256/";
  constexpr std::size_t kHexDigits = 2 * Sha256Digest::kBytes;
  const std::string_view text = path.str();
  if (!text.starts_with(kPrefix) || text.size() != kPrefix.size() + kHexDigits) return std::nullopt;
  return BlobId::from_hex(text.substr(kPrefix.size()));
}

class DockerArchiveReader final : public ArchiveReader {
 public:
  DockerArchiveReader(std::unique_ptr<BlobContainer> container,
                      const Context& context,
                      const LoadLimits& limits)
      : container_(std::move(container)),
        context_(context),
        limits_(limits),
        items_(read_manifest(*container_, limits)) {}

  const std::string& name() const noexcept override { return container_->name(); }
  std::string_view format() const noexcept override { return "docker-archive"; }

  std::vector<ArchivedImage> images(const std::optional<Platform>& platform) override {
    std::vector<ArchivedImage> images;
    std::vector<Platform> offered;
    for (const DockerManifestItem& item : items_) {
      context_.check_interrupted();
      ArchivedImage image = with_context([&] { return "config " + quoted(item.config); },
                                         [&] { return read_image(item); });
      offered.push_back(image.image.platform());
      if (platform && !platform_distance(*platform, offered.back())) continue;
      merge_image(images, std::move(image));
    }
    if (offered.empty()) fail(Errc::NotFound, "it holds no image");
    if (images.empty()) fail_no_platform(*platform, offered);
    add_index_names(images);
    return images;
  }

  ArchivedLayer open_layer(const std::string& handle) override {
    StoredFile file = open_verified(RelPath::parse(handle));
    return {std::move(file.bytes), file.size, std::nullopt, file.file, file.offset};
  }

  std::unique_ptr<ByteSource> open_layer_at(const std::string& handle,
                                            std::uint64_t offset) override {
    return open_file_at(*container_, RelPath::parse(handle), offset);
  }

 private:
  static std::vector<DockerManifestItem> read_manifest(const BlobContainer& container,
                                                       const LoadLimits& limits) {
    const RelPath path = RelPath::parse("manifest.json");
    return parse_docker_manifest(read_document(open_existing(container, path), path.str(), limits));
  }

  StoredFile open_verified(const RelPath& path) const {
    StoredFile file = open_existing(*container_, path);
    const auto digest = promised_digest(path);
    if (digest) file.bytes = make_verified_source(std::move(file.bytes), *digest);
    return file;
  }

  ArchivedImage read_image(const DockerManifestItem& item) {
    std::string text =
        read_document(open_verified(RelPath::parse(item.config)), item.config, limits_);
    config_bytes_ += text.size();
    if (config_bytes_ > kMaxAllJsonBytes) {
      fail(Errc::Limit, "the configs of all images have more than {} bytes", kMaxAllJsonBytes);
    }
    ArchivedImage image{Image::parse(std::move(text)), {}, item.layers};
    if (image.image.diff_ids().size() != item.layers.size()) {
      fail(Errc::Invalid, "manifest.json lists {} layers, the config {}", item.layers.size(),
           image.image.diff_ids().size());
    }
    for (const std::string& tag : item.repo_tags) {
      if (const auto name = archived_name(tag, context_)) add_names(image.names, {*name});
    }
    return image;
  }

  void add_index_names(std::vector<ArchivedImage>& images) const {
    if (!container_->open(RelPath::parse("index.json"))) return;
    const auto names = oci_image_names(*container_, context_, limits_);
    for (ArchivedImage& image : images) {
      const auto found = names.find(image.image.id());
      if (found != names.end()) add_names(image.names, found->second);
    }
  }

  std::unique_ptr<BlobContainer> container_;
  const Context& context_;
  LoadLimits limits_;
  std::vector<DockerManifestItem> items_;
  std::uint64_t config_bytes_ = 0;
};

}  // namespace

std::unique_ptr<ArchiveReader> make_docker_archive_reader(std::unique_ptr<BlobContainer> container,
                                                          const Context& context,
                                                          const LoadLimits& limits) {
  return std::make_unique<DockerArchiveReader>(std::move(container), context, limits);
}

}  // namespace layerkit
