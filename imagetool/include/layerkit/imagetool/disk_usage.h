#pragma once

#include <cstdint>
#include <vector>

#include "layerkit/imagetool/container_store.h"
#include "layerkit/imagetool/image_store.h"

namespace layerkit {

struct ImageUsage {
  ImageStore::Record record;
  std::uint64_t size = 0;      ///< of all its layers
  std::uint64_t shared = 0;    ///< of those that another image has, too
  std::uint64_t unique = 0;    ///< of those that no other image has
  std::size_t containers = 0;  ///< made from it
};

struct VolumeUsage {
  std::string container;  ///< its name
  AnonymousVolume volume;
  std::uint64_t size = 0;
};

struct ContainerUsage {
  ContainerInfo info;
  ContainerState state;
  std::uint64_t size = 0;  ///< of the files it changed
};

/// What a store takes room for. Layers that several images share count once.
struct DiskUsage {
  std::vector<ImageUsage> images;
  std::vector<ContainerUsage> containers;
  std::vector<VolumeUsage> volumes;
  std::uint64_t layers_size = 0;         ///< of every layer in the store
  std::uint64_t layers_reclaimable = 0;  ///< of those that no image with containers needs
};

/// Sizes are sums of the sizes of regular files, as `images` shows them.
DiskUsage measure_disk_usage(ImageStore& images, const ContainerStore& containers);

}  // namespace layerkit
