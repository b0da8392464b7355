#include "layerkit/layerstore/store.h"

#include <fcntl.h>

#include "driver_choice.h"
#include "staging.h"
#include "store_containers.h"
#include "store_dirs.h"
#include "store_export.h"
#include "store_gc.h"
#include "store_open.h"
#include "store_transaction.h"

namespace layerkit {
namespace {

/// The parts put together; none of them has state but the open directories.
class DirectoryStore final : public Store {
 public:
  DirectoryStore(std::shared_ptr<const StoreDirs> dirs, const StoreOptions& options)
      : dirs_(std::move(dirs)), options_(options), containers_(*dirs_) {}

  FileLock lock(LockKind kind) const override { return dirs_->lock(kind); }

  StoreDriver driver() const override { return dirs_->layout().driver(); }
  DriverInfo driver_info() const override { return explain_driver(*dirs_, options_.overlay_probe); }

  std::optional<LayerInfo> find(const ChainId& chain) const override {
    const auto record = dirs_->find_layer(chain);
    if (!record) return std::nullopt;
    return record->info;
  }

  std::vector<LayerInfo> layers() const override {
    std::vector<LayerInfo> infos;
    for (const LayerRecord& record : dirs_->layers())
      infos.push_back(record.info);
    return infos;
  }

  std::unique_ptr<LayerTransaction> begin() override {
    return make_store_transaction(dirs_, options_);
  }

  void export_layer(const ChainId& chain, ByteSink& tar, const Context& context) const override {
    export_stored_layer(*dirs_, chain, tar, context);
  }
  std::unique_ptr<ByteSource> open_layer(const ChainId& chain) const override {
    return open_stored_layer(*dirs_, chain);
  }

  std::vector<LayerInfo> remove_unreferenced(const std::vector<ChainId>& keep) override {
    return collect_garbage(*dirs_, keep);
  }

  std::vector<std::shared_ptr<const LayerTree>> layer_trees(
      const std::optional<ChainId>& chain) const override {
    return dirs_->layer_trees(chain);
  }

  std::shared_ptr<const LayerTree> view(const std::optional<ChainId>& chain) const override {
    return dirs_->view(chain);
  }

  LayerMount mount_layers(const std::optional<ChainId>& chain) const override {
    LayerMount mount;
    for (const LayerRecord& layer : dirs_->stack(chain)) {
      mount.lower.push_back(
          dirs_->open_part(layer.info.chain.hex(), LayerPart::Diff, O_PATH | O_DIRECTORY));
    }
    return mount;
  }

  LayerPaths paths(const ChainId& chain) const override {
    const std::string name = chain.hex();
    LayerPaths paths;
    for (const LayerRecord& layer : dirs_->stack(chain)) {
      paths.lower.push_back(dirs_->path_of(layer.info.chain.hex(), LayerPart::Diff));
    }
    paths.upper = std::move(paths.lower.front());
    paths.lower.erase(paths.lower.begin());
    paths.work = dirs_->path_of(name, LayerPart::Work);
    paths.merged = dirs_->path_of(name, LayerPart::Mount);
    return paths;
  }

  void create_container(const std::string& id,
                        const std::optional<ChainId>& chain,
                        const std::function<void(int init_diff_fd)>& init) override {
    containers_.create(id, chain, init);
  }
  bool has_container(const std::string& id) const override { return containers_.has(id); }
  LayerMount mount_container(const std::string& id) const override { return containers_.mount(id); }
  LayerPaths container_paths(const std::string& id) const override { return containers_.paths(id); }
  std::unique_ptr<LayerReader> container_diff(const std::string& id,
                                              const Context& context,
                                              const DiffReaderOptions& options) const override {
    return containers_.diff(id, context, options);
  }
  std::optional<ChainId> container_parent(const std::string& id) const override {
    return containers_.parent(id);
  }
  void remove_container(const std::string& id) override { containers_.remove(id); }

  Fd temporary_file() const override {
    return open_at(dirs_->staging(), ".", O_TMPFILE | O_RDWR, 0600);
  }

 private:
  std::shared_ptr<const StoreDirs> dirs_;
  StoreOptions options_;
  ContainerLayers containers_;
};

}  // namespace

std::unique_ptr<Store> open_store(const std::string& root, const StoreOptions& options) {
  auto dirs = open_store_dirs(root, options);
  sweep_staging(dirs->staging());
  return std::make_unique<DirectoryStore>(std::move(dirs), options);
}

}  // namespace layerkit
