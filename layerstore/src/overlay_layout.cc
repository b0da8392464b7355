#include <set>

#include "driver_layout.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "store_files_linux.h"
#include "store_layout.h"

namespace layerkit {
namespace {

/// As Docker's overlay2: everything of a layer in one directory, short names in `l/`.
class OverlayLayout final : public DriverLayout {
 public:
  explicit OverlayLayout(int root)
      : layers_(open_dir_at(root, store_file::kOverlay)),
        links_(open_dir_at(layers_.get(), store_file::kLinks)) {}

  StoreDriver driver() const noexcept override { return StoreDriver::Overlay2; }

  std::optional<std::string> place(const std::string& name, LayerPart part) const override {
    const std::string directory = records_place(driver(), name);
    switch (part) {
      case LayerPart::Diff:
        return directory + "/" + store_file::kDiff;
      case LayerPart::Work:
        return directory + "/" + store_file::kWork;
      case LayerPart::Mount:
        return directory + "/" + store_file::kMerged;
      case LayerPart::Records:
        break;
    }
    return directory;
  }

  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    for (DirEntry& entry : list_dir(layers_.get())) {
      if (entry.name != store_file::kLinks) names.push_back(std::move(entry.name));
    }
    return names;
  }

  void add_frame(int staged_dir, const LayerFrame& frame) const override {
    write_exact_file(staged_dir, store_file::kLink, link_name(frame.name), 0644);
    if (frame.below)
      write_exact_file(staged_dir, store_file::kLower, lower_text(*frame.below), 0644);
    if (frame.kind == LayerKind::Image) {
      write_exact_file(staged_dir, store_file::kCommitted, "", 0600);
    }
    if (frame.kind == LayerKind::Container) {
      make_exact_dir(staged_dir, store_file::kWork, 0700);
      make_exact_dir(staged_dir, store_file::kMerged, 0700);
    }
  }

  void prepare(const std::vector<StagedDir>& layers) const override {
    for (const StagedDir& layer : layers) {
      add_link(layer.name);
    }
  }

  void publish(int staging, const std::vector<StagedDir>& layers, IfTaken if_taken) const override {
    for (const StagedDir& layer : layers) {
      if (if_taken == IfTaken::Replace && stat_at(layers_.get(), layer.name)) {
        exchange_at(staging, layer.staged_name, layers_.get(), layer.name);
        continue;
      }
      try {
        rename_noreplace_at(staging, layer.staged_name, layers_.get(), layer.name);
      } catch (const Error& error) {
        if (error.code() != Errc::Exists || if_taken == IfTaken::Fail) throw;
        const Fd old = open_dir_at(layers_.get(), layer.name);
        if (!stat_at(old.get(), store_file::kLayer)) throw;
      }
    }
    sync();
  }

  void withdraw(const StagingDir& staging, const std::vector<std::string>& names) const override {
    for (const std::string& name : names) {
      staging.take(layers_.get(), name);
      unlink_at(links_.get(), link_name(name));
    }
    sync();
  }

  /// Links of directories that never appeared, or are gone.
  void remove_litter(int /*staging*/) const override {
    std::set<std::string> wanted;
    for (const std::string& name : names())
      wanted.insert(link_name(name));
    for (const DirEntry& entry : list_dir(links_.get())) {
      if (!wanted.contains(entry.name)) unlink_at(links_.get(), entry.name);
    }
    sync_fd(links_.get(), store_file::kLinks);
  }

 private:
  void add_link(const std::string& name) const {
    const std::string link = link_name(name);
    const std::string target = fmt::format("../{}/{}", name, store_file::kDiff);
    try {
      make_symlink_at(target, links_.get(), link);
    } catch (const Error& error) {
      // Left by a process that died, or made just now by another one that commits the same layer.
      if (error.code() != Errc::Exists || read_link_at(links_.get(), link) != target) throw;
    }
  }

  void sync() const {
    sync_fd(links_.get(), store_file::kLinks);
    sync_fd(layers_.get(), store_file::kOverlay);
  }

  Fd layers_;
  Fd links_;
};

}  // namespace

std::unique_ptr<const DriverLayout> make_overlay_layout(int root) {
  return std::make_unique<OverlayLayout>(root);
}

void make_overlay_directories(int root) {
  const Fd layers = ensure_exact_dir(root, store_file::kOverlay, 0710);
  ensure_exact_dir(layers.get(), store_file::kLinks, 0700);
  sync_fd(layers.get(), store_file::kOverlay);
}

}  // namespace layerkit
