#include <fcntl.h>

#include <algorithm>

#include "driver_layout.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "store_files_linux.h"
#include "store_layout.h"

namespace layerkit {
namespace {

bool exists(const Fd& dir, const std::string& name) {
  return stat_at(dir.get(), name).has_value();
}

/// As Docker's AUFS driver: a directory for each kind of part, and one more for our records.
///
/// A layer comes and goes in several renames. Meanwhile its records are in `moving`, whether the
/// parts are in place or not. All of it is done under an exclusive lock: who holds it knows that
/// the owner of what is half there is dead.
class AufsLayout final : public DriverLayout {
 public:
  explicit AufsLayout(int root) : AufsLayout(open_dir_at(root, store_file::kAufs)) {}

  StoreDriver driver() const noexcept override { return StoreDriver::Aufs; }

  std::optional<std::string> place(const std::string& name, LayerPart part) const override {
    const auto in = [&](const char* directory) {
      return fmt::format("{}/{}/{}", store_file::kAufs, directory, name);
    };
    switch (part) {
      case LayerPart::Diff:
        return in(store_file::kDiff);
      case LayerPart::Mount:
        return in(store_file::kMnt);
      case LayerPart::Records:
        return records_place(driver(), name);
      case LayerPart::Work:
        break;
    }
    return std::nullopt;
  }

  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    for (DirEntry& entry : list_dir(records_.get()))
      names.push_back(std::move(entry.name));
    return names;
  }

  void add_frame(int staged_dir, const LayerFrame& frame) const override {
    write_exact_file(staged_dir, store_file::kLayers,
                     parents_text(frame.below.value_or(std::vector<std::string>())), 0644);
  }

  void prepare(const std::vector<StagedDir>& /*layers*/) const override {}

  void publish(int staging, const std::vector<StagedDir>& layers, IfTaken if_taken) const override;
  void withdraw(const StagingDir& staging, const std::vector<std::string>& names) const override;
  void remove_litter(int staging) const override;

 private:
  explicit AufsLayout(const Fd& aufs)
      : diffs_(open_dir_at(aufs.get(), store_file::kDiff)),
        parents_(open_dir_at(aufs.get(), store_file::kLayers)),
        mounts_(open_dir_at(aufs.get(), store_file::kMnt)),
        records_(open_dir_at(aufs.get(), store_file::kRecords)),
        moving_(open_dir_at(aufs.get(), store_file::kMoving)) {}

  FileLock lock() const { return {moving_.get(), store_file::kMovingLock, LockKind::Exclusive}; }

  /// The name is taken: by an image layer that is to stay, or it is an error.
  void require_image_layer(const std::string& name, IfTaken if_taken) const;
  void replace(int staging, const StagedDir& layer) const;
  void require_free(const std::string& name) const;
  void put_parts(int staging, const StagedDir& layer) const;
  /// Gathers the parts of a layer whose records are moving; it becomes `as` in `to_dir`.
  void take_parts(int to_dir, const std::string& name, const std::string& as) const;
  void bury(int staging, const std::string& name) const;
  void abandon(int staging, const std::vector<StagedDir>& layers) const noexcept;
  void sync_parts() const;
  void sync_records() const {
    sync_fd(records_.get(), store_file::kRecords);
    sync_fd(moving_.get(), store_file::kMoving);
  }

  Fd diffs_;
  Fd parents_;
  Fd mounts_;
  Fd records_;
  Fd moving_;
};

void AufsLayout::publish(int staging,
                         const std::vector<StagedDir>& layers,
                         IfTaken if_taken) const {
  const FileLock held = lock();
  std::vector<StagedDir> moved;
  try {
    for (const StagedDir& layer : layers) {
      if (exists(records_, layer.name)) {
        if (if_taken == IfTaken::Replace)
          replace(staging, layer);
        else
          require_image_layer(layer.name, if_taken);
        continue;
      }
      if (exists(moving_, layer.name)) bury(staging, layer.name);
      require_free(layer.name);
      moved.push_back(layer);
      put_parts(staging, layer);
    }
    sync_parts();
  } catch (const Error&) {
    abandon(staging, moved);
    throw;
  }
  for (const StagedDir& layer : moved) {
    rename_noreplace_at(moving_.get(), layer.name, records_.get(), layer.name);
  }
  sync_records();
}

void AufsLayout::require_image_layer(const std::string& name, IfTaken if_taken) const {
  const Fd old = open_at(records_.get(), name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
  if (if_taken == IfTaken::KeepOld && exists(old, store_file::kLayer)) return;
  fail(Errc::Exists, "adding layer {}: the name is taken", quoted(name));
}

/// Whenever it stops, records and parts are those of the layer, be they the old ones or the new.
void AufsLayout::replace(int staging, const StagedDir& layer) const {
  const Fd staged = open_dir_at(staging, layer.staged_name);
  const auto put = [&](const char* part, const Fd& dir) {
    if (!exists(dir, layer.name)) {
      return rename_noreplace_at(staged.get(), part, dir.get(), layer.name);
    }
    exchange_at(staged.get(), part, dir.get(), layer.name);
    // What is left in the staged directory comes to the records with it.
    rename_noreplace_at(staged.get(), part, staging, layer.staged_name + "." + part);
  };
  put(store_file::kDiff, diffs_);
  put(store_file::kLayers, parents_);
  ensure_exact_dir(mounts_.get(), layer.name, 0755);
  exchange_at(staging, layer.staged_name, records_.get(), layer.name);
}

/// Without records, and without a sign that they are on their way, it is not ours to take away.
void AufsLayout::require_free(const std::string& name) const {
  for (const Fd* dir : {&diffs_, &parents_, &mounts_}) {
    if (!exists(*dir, name)) continue;
    fail(Errc::Exists, "adding layer {}: there are parts of one without records", quoted(name));
  }
}

void AufsLayout::put_parts(int staging, const StagedDir& layer) const {
  rename_noreplace_at(staging, layer.staged_name, moving_.get(), layer.name);
  const Fd staged = open_dir_at(moving_.get(), layer.name);
  rename_noreplace_at(staged.get(), store_file::kDiff, diffs_.get(), layer.name);
  rename_noreplace_at(staged.get(), store_file::kLayers, parents_.get(), layer.name);
  make_exact_dir(mounts_.get(), layer.name, 0755);
}

void AufsLayout::take_parts(int to_dir, const std::string& name, const std::string& as) const {
  const Fd records = open_dir_at(moving_.get(), name);
  const auto take = [&](const Fd& dir, const char* part) {
    if (exists(dir, name)) rename_at(dir.get(), name, records.get(), part);
  };
  // Else the parts are those of a layer that is in place.
  if (!exists(records_, name)) {
    take(diffs_, store_file::kDiff);
    take(parents_, store_file::kLayers);
    take(mounts_, store_file::kMnt);
  }
  rename_at(moving_.get(), name, to_dir, as);
}

/// Of a process that died. The name may be in use in the staging directory itself.
void AufsLayout::bury(int staging, const std::string& name) const {
  take_parts(ensure_exact_dir(staging, "dead", 0700).get(), name, name);
}

/// What cannot be taken back is litter, as if this process had died.
void AufsLayout::abandon(int staging, const std::vector<StagedDir>& layers) const noexcept {
  for (const StagedDir& layer : layers) {
    try {
      if (exists(moving_, layer.name)) take_parts(staging, layer.name, layer.staged_name);
    } catch (const Error&) {  // NOLINT(bugprone-empty-catch): the first failure is reported
    }
  }
}

void AufsLayout::withdraw(const StagingDir& staging, const std::vector<std::string>& names) const {
  const FileLock held = lock();
  std::vector<std::string> moved;
  for (const std::string& name : names) {
    if (!exists(records_, name)) continue;
    rename_noreplace_at(records_.get(), name, moving_.get(), name);
    moved.push_back(name);
  }
  sync_records();
  for (const std::string& name : moved)
    take_parts(staging.fd(), name, name);
  sync_parts();
  sync_records();
}

void AufsLayout::remove_litter(int staging) const {
  const FileLock held = lock();
  for (const DirEntry& entry : list_dir(moving_.get())) {
    const auto stat = stat_at(moving_.get(), entry.name);
    if (stat && stat->type == FileType::Directory) bury(staging, entry.name);
  }
  sync_parts();
  sync_records();
}

void AufsLayout::sync_parts() const {
  sync_fd(diffs_.get(), store_file::kDiff);
  sync_fd(parents_.get(), store_file::kLayers);
  sync_fd(mounts_.get(), store_file::kMnt);
}

}  // namespace

std::unique_ptr<const DriverLayout> make_aufs_layout(int root) {
  return std::make_unique<AufsLayout>(root);
}

void make_aufs_directories(int root) {
  const Fd aufs = ensure_exact_dir(root, store_file::kAufs, 0710);
  for (const char* name : {store_file::kDiff, store_file::kLayers, store_file::kMnt}) {
    ensure_exact_dir(aufs.get(), name, 0710);
  }
  for (const char* name : {store_file::kRecords, store_file::kMoving}) {
    ensure_exact_dir(aufs.get(), name, 0700);
  }
  sync_fd(aufs.get(), store_file::kAufs);
}

}  // namespace layerkit
