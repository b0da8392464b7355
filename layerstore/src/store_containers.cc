#include "store_containers.h"

#include <fcntl.h>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/base/whiteout.h"
#include "layerkit/layerstore/diff_dir.h"
#include "pseudo_links.h"
#include "staging.h"
#include "store_files_linux.h"

namespace layerkit {
namespace {

/// A container directory in staging, before it has its contents.
struct Frame {
  Fd dir;
  Fd diff;
};

Frame make_frame(const StoreDirs& dirs, int staging, const LayerFrame& layer) {
  Frame frame;
  frame.dir = make_exact_dir(staging, layer.name, 0710);
  frame.diff = make_exact_dir(frame.dir.get(), store_file::kDiff, 0755);
  dirs.layout().add_frame(frame.dir.get(), layer);
  return frame;
}

void write_record(const Frame& frame, const ContainerRecord& record) {
  write_exact_file(frame.dir.get(), store_file::kContainer, format_container_record(record), 0600);
}

/// The small files a later open depends on. What is in the diff directories is not synced: a
/// container is not yet worth more than what created it.
void sync_frame(const Frame& frame) {
  for (const DirEntry& entry : list_dir(frame.dir.get())) {
    const auto stat = stat_at(frame.dir.get(), entry.name);
    if (stat && stat->type == FileType::Regular) sync_file_at(frame.dir.get(), entry.name);
  }
  sync_fd(frame.diff.get(), store_file::kDiff);
  sync_fd(frame.dir.get(), store_file::kContainer);
}

/// Leaves out whiteouts of what only the init layer has: an image without it has nothing to hide.
class ImageDiffReader final : public LayerReader {
 public:
  ImageDiffReader(std::unique_ptr<LayerReader> inner, std::shared_ptr<const LayerTree> image)
      : inner_(std::move(inner)), image_(std::move(image)) {}

  std::optional<Entry> next() override {
    for (;;) {
      auto entry = inner_->next();
      if (!entry || !entry->is_whiteout() || image_->lookup(entry->path)) return entry;
    }
  }
  ByteSource& contents() override { return inner_->contents(); }

 private:
  std::unique_ptr<LayerReader> inner_;
  std::shared_ptr<const LayerTree> image_;
};

}  // namespace

void ContainerLayers::create(const std::string& id,
                             const std::optional<ChainId>& chain,
                             const std::function<void(int init_diff_fd)>& init) const {
  require_container_id(id);
  // The image layers must not be collected between our look at them and the container's record.
  const FileLock lock = dirs_.lock(LockKind::Shared);
  if (dirs_.has_directory(id)) {
    fail(Errc::Exists, "creating container {}: the name is taken", quoted(id));
  }
  const auto image = dirs_.view(chain);
  const std::string init_id = init_name(id);
  std::vector<std::string> below = dirs_.stack_names(chain);
  const StagingDir staging(dirs_.staging());
  const Frame init_frame = make_frame(
      dirs_, staging.fd(), {init_id, LayerKind::Init, chain ? std::optional(below) : std::nullopt});
  below.insert(below.begin(), init_id);
  const Frame frame = make_frame(dirs_, staging.fd(), {id, LayerKind::Container, std::move(below)});
  if (init) init(init_frame.diff.get());
  // After `init`, which changes times. A mount shows the attributes of the topmost root.
  if (const auto root = chain ? image->lookup(RelPath()) : std::nullopt) {
    set_directory_metadata(init_frame.diff.get(), *root, dirs_.format());
    set_directory_metadata(frame.diff.get(), *root, dirs_.format());
  }
  write_record(init_frame, {ContainerRole::Init, chain});
  write_record(frame, {ContainerRole::Container, chain});
  sync_frame(init_frame);
  sync_frame(frame);
  // Of two processes that create the same container one fails at the init layer, with nothing done.
  const std::vector<StagedDir> staged = {{init_id, init_id}, {id, id}};
  dirs_.layout().prepare(staged);
  dirs_.layout().publish(staging.fd(), staged, IfTaken::Fail);
}

bool ContainerLayers::has(const std::string& id) const {
  require_container_id(id);
  const auto record = dirs_.find_container(id);
  return record && record->role == ContainerRole::Container;
}

std::optional<ChainId> ContainerLayers::parent(const std::string& id) const {
  if (!has(id)) fail(Errc::NotFound, "container {}: not in the store", quoted(id));
  return dirs_.find_container(id)->parent;
}

LayerMount ContainerLayers::mount(const std::string& id) const {
  const auto chain = parent(id);
  constexpr int kFlags = O_PATH | O_DIRECTORY;
  LayerMount mount;
  mount.lower.push_back(dirs_.open_part(init_name(id), LayerPart::Diff, kFlags));
  for (const LayerRecord& layer : dirs_.stack(chain)) {
    mount.lower.push_back(dirs_.open_part(layer.info.chain.hex(), LayerPart::Diff, kFlags));
  }
  mount.upper = dirs_.open_part(id, LayerPart::Diff, kFlags);
  if (auto work = dirs_.find_part(id, LayerPart::Work, kFlags)) mount.work = std::move(*work);
  return mount;
}

LayerPaths ContainerLayers::paths(const std::string& id) const {
  const auto chain = parent(id);
  LayerPaths paths;
  paths.lower.push_back(dirs_.path_of(init_name(id), LayerPart::Diff));
  for (const LayerRecord& layer : dirs_.stack(chain)) {
    paths.lower.push_back(dirs_.path_of(layer.info.chain.hex(), LayerPart::Diff));
  }
  paths.upper = dirs_.path_of(id, LayerPart::Diff);
  paths.work = dirs_.path_of(id, LayerPart::Work);
  paths.merged = dirs_.path_of(id, LayerPart::Mount);
  return paths;
}

std::optional<Fd> ContainerLayers::find_links(const std::string& id) const {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
  const bool is_aufs = dirs_.format().is_aufs();
  const auto own = dirs_.find_part(id, is_aufs ? LayerPart::Diff : LayerPart::Work, kFlags);
  if (!own) return std::nullopt;
  if (is_aufs) return open_at_if_exists(own->get(), std::string(kAufsLinkDirectory), kFlags);
  const auto area = open_at_if_exists(own->get(), std::string(kUnionDirectory), kFlags);
  if (!area) return std::nullopt;
  return open_at_if_exists(area->get(), std::string(kUnionLinkDirectory), kFlags);
}

std::unique_ptr<LayerReader> ContainerLayers::with_linked_names(
    std::unique_ptr<LayerReader> changes,
    const std::string& id,
    std::shared_ptr<const LayerTree> below) const {
  auto links = find_links(id);
  if (!links) return changes;
  PseudoLinkSources sources{.links = std::move(*links),
                            .upper = dirs_.open_diff(id),
                            .layers = {},
                            .format = dirs_.format(),
                            .scratch_dir = dirs_.staging()};
  const auto add = [&](const std::string& name) {
    sources.layers.push_back({dirs_.open_diff(name), dirs_.tree(name)});
  };
  add(init_name(id));
  for (const std::string& name : dirs_.stack_names(parent(id)))
    add(name);
  auto found = find_pseudo_links(sources);
  if (found.empty()) return changes;
  return add_pseudo_links(std::move(changes), std::move(found), std::move(sources),
                          std::move(below));
}

std::unique_ptr<LayerReader> ContainerLayers::diff(const std::string& id,
                                                   const Context& context,
                                                   const DiffReaderOptions& options) const {
  auto image = dirs_.view(parent(id));
  const auto below = make_union_view({image, dirs_.tree(init_name(id))});
  auto changes = make_diff_reader(dirs_.open_diff(id), below, context, dirs_.format(), options);
  return std::make_unique<ImageDiffReader>(with_linked_names(std::move(changes), id, below),
                                           std::move(image));
}

void ContainerLayers::require_not_mounted(const std::string& id) const {
  const auto directory = dirs_.find_part(id, LayerPart::Mount, O_PATH | O_DIRECTORY);
  if (directory && is_mount_point_at(directory->get(), ".")) {
    fail(Errc::Busy, "removing container {}: its root is mounted", quoted(id));
  }
}

void ContainerLayers::remove(const std::string& id) const {
  if (!has(id)) fail(Errc::NotFound, "removing container {}: not in the store", quoted(id));
  require_not_mounted(id);
  // The container first: an init layer alone is no container, and nobody misses it.
  const StagingDir staging(dirs_.staging());
  dirs_.layout().withdraw(staging, {id, init_name(id)});
  remove_tree_at(staging.fd(), id);
  remove_tree_at(staging.fd(), init_name(id));
}

}  // namespace layerkit
