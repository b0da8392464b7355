#pragma once

#include <map>
#include <memory>
#include <vector>

#include "archive/blob_container.h"
#include "layerkit/base/context.h"
#include "layerkit/imagetool/archive.h"

namespace layerkit {

/// Docker's image archive: manifest.json, configs and layers. Read are all layouts since docker
/// 1.10, kaniko's, skopeo's, podman's and BuildKit's. Names are those of manifest.json and of an
/// index.json next to it.
std::unique_ptr<ArchiveReader> make_docker_archive_reader(std::unique_ptr<BlobContainer> container,
                                                          const Context& context,
                                                          const LoadLimits& limits);

/// An OCI image layout: a directory, or a tar of one.
std::unique_ptr<ArchiveReader> make_oci_layout_reader(std::unique_ptr<BlobContainer> container,
                                                      const Context& context,
                                                      const LoadLimits& limits);

/// Adds an image. One that is there already (other names, or another manifest for the same
/// config) only gains the names.
void merge_image(std::vector<ArchivedImage>& images, ArchivedImage image);

/// The names that a layout's index.json gives to images, by image.
std::map<ImageId, std::vector<ImageName>> oci_image_names(const BlobContainer& container,
                                                          const Context& context,
                                                          const LoadLimits& limits);

/// Throws Error{NotFound}: "it holds no image for linux/arm64, but for linux/amd64".
[[noreturn]] void fail_no_platform(const Platform& wanted, const std::vector<Platform>& offered);

}  // namespace layerkit
