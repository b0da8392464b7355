#include "store_containers.h"

#include <fcntl.h>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/layerstore/diff_dir.h"
#include "staging.h"
#include "store_files_linux.h"

namespace layerkit {
namespace {

/// A container directory in staging, before it has its contents.
struct Frame {
  Fd dir;
  Fd diff;
};

Frame make_frame(int staging, const std::string& name, std::string_view lower) {
  Frame frame;
  frame.dir = make_exact_dir(staging, name, 0710);
  frame.diff = make_exact_dir(frame.dir.get(), store_file::kDiff, 0755);
  write_exact_file(frame.dir.get(), store_file::kLink, link_name(name), 0644);
  if (!lower.empty()) write_exact_file(frame.dir.get(), store_file::kLower, lower, 0644);
  return frame;
}

void write_record(const Frame& frame, const ContainerRecord& record) {
  write_exact_file(frame.dir.get(), store_file::kContainer, format_container_record(record), 0600);
}

/// The small files a later open depends on. What is in the diff directories is not synced: a
/// container is not yet worth more than what created it.
void sync_frame(const Frame& frame) {
  for (const char* name : {store_file::kLink, store_file::kLower, store_file::kContainer}) {
    if (stat_at(frame.dir.get(), name)) sync_file_at(frame.dir.get(), name);
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

/// False when a collection was faster: an init layer alone is garbage.
bool move_away(const StoreDirs& dirs, const std::string& name, const StagingDir& staging) {
  const bool taken = staging.take(dirs.overlay(), name);
  dirs.remove_link(name);
  return taken;
}

}  // namespace

void ContainerLayers::create(const std::string& id,
                             const std::optional<ChainId>& chain,
                             const std::function<void(int init_diff_fd)>& init) const {
  require_container_id(id);
  // The image layers must not be collected between our look at them and the container's record.
  const FileLock lock = dirs_.lock(LockKind::Shared);
  if (stat_at(dirs_.overlay(), id)) {
    fail(Errc::Exists, "creating container {}: the name is taken", quoted(id));
  }
  const auto image = dirs_.view(chain);
  const std::string below = chain ? lower_above(chain->hex(), dirs_.lower_of(chain->hex())) : "";
  const std::string init_id = init_name(id);
  const StagingDir staging(dirs_.staging());
  const Frame init_frame = make_frame(staging.fd(), init_id, below);
  const Frame frame = make_frame(staging.fd(), id, lower_above(init_id, below));
  make_exact_dir(frame.dir.get(), store_file::kWork, 0700);
  make_exact_dir(frame.dir.get(), store_file::kMerged, 0700);
  if (init) init(init_frame.diff.get());
  // After `init`, which changes times. A mount shows the attributes of the topmost root.
  if (const auto root = chain ? image->lookup(RelPath()) : std::nullopt) {
    set_directory_metadata(init_frame.diff.get(), *root);
    set_directory_metadata(frame.diff.get(), *root);
  }
  write_record(init_frame, {ContainerRole::Init, chain});
  write_record(frame, {ContainerRole::Container, chain});
  sync_frame(init_frame);
  sync_frame(frame);
  dirs_.add_link(init_id);
  dirs_.add_link(id);
  // Of two processes that create the same container one fails at the init layer, with nothing done.
  rename_noreplace_at(staging.fd(), init_id, dirs_.overlay(), init_id);
  rename_noreplace_at(staging.fd(), id, dirs_.overlay(), id);
  sync_fd(dirs_.links(), store_file::kLinks);
  sync_fd(dirs_.overlay(), store_file::kOverlay);
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
  mount.lower.push_back(dirs_.open_below(init_name(id), store_file::kDiff, kFlags));
  for (const LayerRecord& layer : dirs_.stack(chain)) {
    mount.lower.push_back(dirs_.open_below(layer.info.chain.hex(), store_file::kDiff, kFlags));
  }
  mount.upper = dirs_.open_below(id, store_file::kDiff, kFlags);
  mount.work = dirs_.open_below(id, store_file::kWork, kFlags);
  return mount;
}

LayerPaths ContainerLayers::paths(const std::string& id) const {
  const auto chain = parent(id);
  LayerPaths paths;
  paths.lower.push_back(dirs_.path_of(init_name(id), store_file::kDiff));
  for (const LayerRecord& layer : dirs_.stack(chain)) {
    paths.lower.push_back(dirs_.path_of(layer.info.chain.hex(), store_file::kDiff));
  }
  paths.upper = dirs_.path_of(id, store_file::kDiff);
  paths.work = dirs_.path_of(id, store_file::kWork);
  paths.merged = dirs_.path_of(id, store_file::kMerged);
  return paths;
}

std::unique_ptr<LayerReader> ContainerLayers::diff(const std::string& id,
                                                   const Context& context,
                                                   const DiffReaderOptions& options) const {
  auto image = dirs_.view(parent(id));
  auto below = make_union_view({image, dirs_.tree(init_name(id))});
  auto changes =
      make_overlay_diff_reader(dirs_.open_below(id, store_file::kDiff, O_RDONLY | O_DIRECTORY),
                               std::move(below), context, OverlayXattrs::Trusted, options);
  return std::make_unique<ImageDiffReader>(std::move(changes), std::move(image));
}

void ContainerLayers::require_not_mounted(const std::string& id) const {
  const Fd dir = dirs_.open_directory(id);
  if (is_mount_point_at(dir.get(), store_file::kMerged)) {
    fail(Errc::Busy, "removing container {}: its root is mounted", quoted(id));
  }
}

void ContainerLayers::remove(const std::string& id) const {
  if (!has(id)) fail(Errc::NotFound, "removing container {}: not in the store", quoted(id));
  require_not_mounted(id);
  // The container first: an init layer alone is no container, and nobody misses it.
  const StagingDir staging(dirs_.staging());
  const bool container_taken = move_away(dirs_, id, staging);
  const bool init_taken = move_away(dirs_, init_name(id), staging);
  sync_fd(dirs_.overlay(), store_file::kOverlay);
  sync_fd(dirs_.links(), store_file::kLinks);
  if (container_taken) remove_tree_at(staging.fd(), id);
  if (init_taken) remove_tree_at(staging.fd(), init_name(id));
}

}  // namespace layerkit
