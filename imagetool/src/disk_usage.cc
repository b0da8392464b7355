#include "layerkit/imagetool/disk_usage.h"

#include <fcntl.h>

#include <algorithm>
#include <map>
#include <set>

#include "layerkit/base/error.h"
#include "layerkit/base/root_dir.h"

namespace layerkit {
namespace {

/// Sum of the sizes of the regular files below, each counted once. What goes away meanwhile does
/// not count.
class TreeSize {
 public:
  static std::uint64_t of(Fd root) {
    TreeSize measured(std::move(root));
    while (!measured.pending_.empty()) {
      const RelPath path = std::move(measured.pending_.back());
      measured.pending_.pop_back();
      measured.add_directory(path);
    }
    return measured.size_;
  }

 private:
  explicit TreeSize(Fd root) : root_(std::move(root)) {}

  void add_directory(const RelPath& path) {
    const auto dir = root_.open_if_exists(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, Follow::No);
    if (!dir) return;
    for (const DirEntry& entry : list_dir(dir->get())) {
      const auto stat = stat_at(dir->get(), entry.name);
      if (!stat) continue;
      if (stat->type == FileType::Directory) pending_.push_back(path / entry.name);
      if (stat->type != FileType::Regular) continue;
      if (stat->nlink < 2 || seen_.insert(stat->ino).second) size_ += stat->size;
    }
  }

  RootDir root_;
  std::vector<RelPath> pending_{RelPath()};
  std::set<std::uint64_t> seen_;
  std::uint64_t size_ = 0;
};

std::uint64_t tree_size(const std::string& path) {
  const auto dir = open_at_if_exists(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  return dir ? TreeSize::of(dir->duplicate()) : 0;
}

class Measurement {
 public:
  Measurement(ImageStore& images, const ContainerStore& containers)
      : images_(images), containers_(containers) {
    for (const LayerInfo& layer : images_.layers().layers())
      sizes_.emplace(layer.chain, layer.size);
  }

  DiskUsage run() {
    for (const ContainerInfo& info : containers_.list()) {
      try {
        add_container(info);
      } catch (const Error& error) {
        if (error.code() != Errc::NotFound) throw;  // else it was removed meanwhile
      }
    }
    for (ImageStore::Record& record : images_.list()) {
      for (const ChainId& chain : record.image.chain_ids())
        ++users_[chain];
      usage_.images.push_back({std::move(record)});
    }
    for (ImageUsage& image : usage_.images)
      measure(image);
    for (const auto& [chain, size] : sizes_) {
      usage_.layers_size += size;
      if (!active_.contains(chain)) usage_.layers_reclaimable += size;
    }
    return std::move(usage_);
  }

 private:
  void add_container(const ContainerInfo& info) {
    const auto state = containers_.state(info.id);
    if (!state) return;  // removed meanwhile
    ++made_from_[info.image];
    std::uint64_t size = 0;
    if (images_.layers().has_container(info.id)) {
      size = tree_size(images_.layers().container_paths(info.id).upper);
      mark_active(images_.layers().container_parent(info.id));
    }
    usage_.containers.push_back({info, *state, size});
    for (const AnonymousVolume& volume : info.volumes) {
      const std::string path = containers_.path(info.id) + "/volumes/" + volume.name;
      usage_.volumes.push_back({info.name, volume, tree_size(path)});
    }
  }

  void mark_active(std::optional<ChainId> chain) {
    while (chain && active_.insert(*chain).second) {
      const auto layer = images_.layers().find(*chain);
      chain = layer ? layer->parent : std::nullopt;
    }
  }

  void measure(ImageUsage& usage) {
    const auto made = made_from_.find(usage.record.image.id());
    usage.containers = made == made_from_.end() ? 0 : made->second;
    for (const ChainId& chain : usage.record.image.chain_ids()) {
      const auto size = sizes_.find(chain);
      if (size == sizes_.end()) continue;  // what is missing takes no room
      usage.size += size->second;
      (users_.at(chain) > 1 ? usage.shared : usage.unique) += size->second;
    }
  }

  ImageStore& images_;
  const ContainerStore& containers_;
  DiskUsage usage_;
  std::map<ChainId, std::uint64_t> sizes_;
  std::map<ChainId, std::size_t> users_;
  std::map<ImageId, std::size_t> made_from_;
  std::set<ChainId> active_;  ///< layers that a container stands on
};

}  // namespace

DiskUsage measure_disk_usage(ImageStore& images, const ContainerStore& containers) {
  return Measurement(images, containers).run();
}

}  // namespace layerkit
