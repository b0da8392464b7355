#include <fcntl.h>
#include <unistd.h>

#include "check_driver.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "staging.h"
#include "store_checks.h"
#include "store_files_linux.h"

namespace layerkit {
namespace {

std::string path_of(const char* name) {
  return std::string(store_file::kAufs) + "/" + name;
}

/// The directories in `aufs`. Those that cannot be used, which is reported, are unset.
struct AufsDirs {
  Fd records;
  std::optional<Fd> diffs;
  std::optional<Fd> parents;
  std::optional<Fd> mounts;
  std::optional<Fd> moving;
};

FrameDir frame_dir(const Fd& dir, const char* name) {
  return {dir.get(), path_of(name)};
}

bool exists(const Fd& dir, const std::string& name) {
  return stat_at(dir.get(), name).has_value();
}

bool is_directory(int dir_fd, const std::string& name) {
  const auto stat = stat_at(dir_fd, name);
  return stat && stat->type == FileType::Directory;
}

/// What does not belong where it is, as of one moment in which nobody moved anything.
struct AufsStrays {
  std::vector<std::string> dead_moves;  ///< in `moving`
  std::vector<std::string> in_moving;   ///< the same, but not of a layer on its way
  std::vector<std::string> diffs;       ///< in `diff`, of no layer; and so on
  std::vector<std::string> parents;
  std::vector<std::string> mounts;
};

/// Whether a lock on it tells who moves something.
bool can_be_locked(const Fd& moving) {
  const auto stat = stat_at(moving.get(), store_file::kMovingLock);
  return !stat || stat->type == FileType::Regular;
}

/// Looks for strays while nobody moves layers; a shared lock keeps movers out for that time.
class StraySearch {
 public:
  explicit StraySearch(const AufsDirs& dirs) : dirs_(dirs) {}

  /// nullopt: somebody is moving layers, which looks like strays.
  std::optional<AufsStrays> run() const {
    std::optional<FileLock> still;
    if (auto file = open_lock()) {
      still = FileLock::try_lock(std::move(*file), LockKind::Shared);
      if (!still) return std::nullopt;
    }
    AufsStrays strays;
    if (dirs_.moving) look_at_moving(strays);
    strays.diffs = without_records(dirs_.diffs);
    strays.parents = without_records(dirs_.parents);
    strays.mounts = without_records(dirs_.mounts);
    return strays;
  }

 private:
  /// nullopt: nobody has ever moved a layer, or nobody can.
  std::optional<Fd> open_lock() const {
    if (!dirs_.moving || !can_be_locked(*dirs_.moving)) return std::nullopt;
    return open_at_if_exists(dirs_.moving->get(), store_file::kMovingLock,
                             O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  }

  void look_at_moving(AufsStrays& strays) const {
    for (const DirEntry& entry : list_dir(dirs_.moving->get())) {
      if (entry.name == store_file::kMovingLock) continue;
      const bool is_move =
          is_directory(dirs_.moving->get(), entry.name) && !exists(dirs_.records, entry.name);
      (is_move ? strays.dead_moves : strays.in_moving).push_back(entry.name);
    }
  }

  std::vector<std::string> without_records(const std::optional<Fd>& parts) const {
    std::vector<std::string> names;
    if (!parts) return names;
    for (const DirEntry& entry : list_dir(parts->get())) {
      const bool is_moving = dirs_.moving && is_directory(dirs_.moving->get(), entry.name);
      if (!exists(dirs_.records, entry.name) && !is_moving) names.push_back(entry.name);
    }
    return names;
  }

  const AufsDirs& dirs_;
};

/// True for a list of layers below a layer, which any record of that layer would give again.
bool is_list_of_parents(const SmallFile& file) {
  if (!file.text) return false;
  if (!file.text->empty() && file.text->back() != '\n') return false;
  constexpr std::string_view kNameCharacters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-\n";
  return file.text->find_first_not_of(kNameCharacters) == std::string::npos;
}

/// Reports strays and what else lies in `aufs` without being one layer's.
class AufsRestCheck {
 public:
  AufsRestCheck(Examination& examination, const StoreFrame& frame, const AufsDirs& dirs)
      : examination_(examination), frame_(frame), dirs_(dirs) {}

  void run() {
    if (dirs_.moving) examine_lock();
    // The lock is given up again before anything is mended: burying the dead takes it, too. What
    // was found stays so: whoever mends keeps new layers out.
    const auto strays = StraySearch(dirs_).run();
    if (!strays) return;
    examine_moving(*strays);
    for (const std::string& name : strays->diffs)
      report(*dirs_.diffs, store_file::kDiff, name, [this, name] { set_diff_aside(name); });
    for (const std::string& name : strays->parents)
      report(*dirs_.parents, store_file::kLayers, name, [this, name] { remove_parents(name); });
    for (const std::string& name : strays->mounts)
      report(*dirs_.mounts, store_file::kMnt, name, [this, name] { remove_mount(name); });
  }

 private:
  void examine_lock() {
    const FrameDir moving = frame_dir(*dirs_.moving, store_file::kMoving);
    if (can_be_locked(*dirs_.moving)) {
      return examine_file(examination_, frame_.ground, moving, store_file::kMovingLock, 0600);
    }
    examination_.found({"wrong-type", moving.object(store_file::kMovingLock),
                        "it is not a regular file", Severity::Damage, Mend::Repair},
                       [&] { frame_.ground.set_aside(moving.fd, store_file::kMovingLock); });
  }

  void examine_moving(const AufsStrays& strays) {
    for (const std::string& name : strays.in_moving) {
      const FrameDir moving = frame_dir(*dirs_.moving, store_file::kMoving);
      examination_.found_passing({"unexpected-name", moving.object(name),
                                  "it is no layer on its way", Severity::Leftover, Mend::Repair},
                                 [&] { frame_.ground.set_aside(moving.fd, name); });
    }
    for (const std::string& name : strays.dead_moves) {
      report(
          *dirs_.moving, store_file::kMoving, name, [this] { bury(); }, "moving-leftover",
          "whoever brought or removed this layer died before it was done");
    }
  }

  void report(const Fd& dir,
              const char* directory,
              const std::string& name,
              const Examination::Fix& fix,
              const char* kind = "part-without-record",
              const char* detail = "no layer and no container has this name") {
    examination_.found_passing(
        {kind, frame_dir(dir, directory).object(name), detail, Severity::Leftover, Mend::Repair},
        fix);
  }

  void bury() const {
    if (!frame_.staging) fail(Errc::NotFound, "there is nowhere to work");
    const StagingDir dead(frame_.staging->get());
    make_driver_layout(frame_.driver, frame_.ground.root)->remove_litter(dead.fd());
  }

  void set_diff_aside(const std::string& name) const {
    frame_.ground.set_aside(dirs_.diffs->get(), name);
  }

  void remove_parents(const std::string& name) const {
    const int dir = dirs_.parents->get();
    if (!is_list_of_parents(read_small_file(dir, name, kMaxLowerBytes))) {
      return frame_.ground.set_aside(dir, name);
    }
    unlink_at(dir, name);
    sync_fd(dir, store_file::kLayers);
  }

  /// An empty directory can go; rmdir(2) fails where something is mounted.
  void remove_mount(const std::string& name) const {
    const int dir = dirs_.mounts->get();
    if (is_mount_point_at(dir, name)) fail(Errc::Busy, "something is mounted there");
    const bool is_empty = is_directory(dir, name) && list_dir(open_dir_at(dir, name).get()).empty();
    if (!is_empty) return frame_.ground.set_aside(dir, name);
    if (::unlinkat(dir, name.c_str(), AT_REMOVEDIR) != 0) {
      const int err = errno;
      fail_errno(err, "removing {}", quoted(name));
    }
    sync_fd(dir, store_file::kMnt);
  }

  Examination& examination_;
  const StoreFrame& frame_;
  const AufsDirs& dirs_;
};

/// `aufs`: a directory for each kind of part, and one for the records.
class AufsCheck final : public DriverCheck {
 public:
  AufsCheck(const StoreGround& ground, AufsDirs dirs) : ground_(ground), dirs_(std::move(dirs)) {}

  FrameDir records() const override { return frame_dir(dirs_.records, store_file::kRecords); }

  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    for (DirEntry& entry : list_dir(dirs_.records.get()))
      names.push_back(std::move(entry.name));
    return names;
  }

  std::optional<FrameEntry> diff(const FrameDir& /*own*/, const std::string& name) const override {
    if (!dirs_.diffs) return std::nullopt;
    return FrameEntry{frame_dir(*dirs_.diffs, store_file::kDiff), name};
  }

  void examine_layer(Examination& examination,
                     const FrameDir& own,
                     const ExpectedFrame& expected,
                     std::set<std::string> records) const override {
    const LayerFrame& layer = expected.layer;
    examine_names(examination, ground_, own, records);
    if (dirs_.parents && expected.below == ExpectedFrame::Below::Known) {
      const auto chain = layer.kind == LayerKind::Image
                             ? std::optional(ChainId::from_hex(layer.name))
                             : std::nullopt;
      examine_small_file(examination, ground_, frame_dir(*dirs_.parents, store_file::kLayers),
                         layer.name, parents_text(layer.below.value_or(std::vector<std::string>())),
                         "parents-wrong", chain);
    }
    // Where something is mounted the mode is that of its root.
    if (!dirs_.mounts || is_mounted(layer.name)) return;
    examine_directory(examination, ground_, frame_dir(*dirs_.mounts, store_file::kMnt), layer.name,
                      0755, IfAbsent::MakeEmpty);
  }

  void examine_rest(Examination& examination,
                    const StoreFrame& frame,
                    const Survey& /*survey*/) const override {
    AufsRestCheck(examination, frame, dirs_).run();
  }

  void set_aside(const std::string& name) const override;

  bool is_mounted(const std::string& name) const override {
    return dirs_.mounts && is_mount_point_at(dirs_.mounts->get(), name);
  }

 private:
  StoreGround ground_;
  AufsDirs dirs_;
};

/// The parts go to the records first, so that all of it is together. Whoever is killed in the
/// middle leaves it in two places.
void AufsCheck::set_aside(const std::string& name) const {
  const bool has_parts = is_directory(dirs_.records.get(), name);
  std::optional<FileLock> held;
  if (has_parts && dirs_.moving) {
    held.emplace(dirs_.moving->get(), store_file::kMovingLock, LockKind::Exclusive);
  }
  const auto gather = [&](const std::optional<Fd>& from, const char* part) {
    if (!has_parts || !from || !exists(*from, name)) return;
    const Fd own = open_dir_at(dirs_.records.get(), name);
    if (!exists(own, part)) rename_noreplace_at(from->get(), name, own.get(), part);
  };
  // First what cannot be moved while something is mounted there.
  gather(dirs_.mounts, store_file::kMnt);
  gather(dirs_.parents, store_file::kLayers);
  gather(dirs_.diffs, store_file::kDiff);
  ground_.set_aside(dirs_.records.get(), name);
}

}  // namespace

std::unique_ptr<const DriverCheck> examine_aufs(Examination& examination,
                                                const StoreGround& ground) {
  const auto directory = [&](int parent, const std::string& path, const char* name, mode_t mode,
                             IfAbsent if_absent) {
    return examine_directory(examination, ground, {parent, path}, name, mode, if_absent);
  };
  // An empty directory in the place of a symlink would hide the layers that it leads to.
  const auto if_gone = [](int parent, const char* name) {
    return stat_at(parent, name) ? IfAbsent::Report : IfAbsent::MakeEmpty;
  };
  const auto aufs =
      directory(ground.root, "", store_file::kAufs, 0710, if_gone(ground.root, store_file::kAufs));
  if (!aufs) return nullptr;
  const auto in_aufs = [&](const char* name, mode_t mode, IfAbsent if_absent) {
    return directory(aufs->get(), store_file::kAufs, name, mode, if_absent);
  };
  AufsDirs dirs;
  dirs.diffs = in_aufs(store_file::kDiff, 0710, if_gone(aufs->get(), store_file::kDiff));
  dirs.parents = in_aufs(store_file::kLayers, 0710, IfAbsent::MakeEmpty);
  dirs.mounts = in_aufs(store_file::kMnt, 0710, IfAbsent::MakeEmpty);
  dirs.moving = in_aufs(store_file::kMoving, 0700, IfAbsent::MakeEmpty);
  auto records = in_aufs(store_file::kRecords, 0700, if_gone(aufs->get(), store_file::kRecords));
  examine_names(examination, ground, {aufs->get(), store_file::kAufs},
                {store_file::kDiff, store_file::kLayers, store_file::kMnt, store_file::kMoving,
                 store_file::kRecords});
  if (!records) return nullptr;
  dirs.records = std::move(*records);
  return std::make_unique<AufsCheck>(ground, std::move(dirs));
}

}  // namespace layerkit
