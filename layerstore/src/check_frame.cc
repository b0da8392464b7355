#include <fcntl.h>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "staging.h"
#include "store_checks.h"
#include "store_files_linux.h"

namespace layerkit {
namespace {

void examine_version(Examination& examination, const StoreGround& ground, const FrameDir& root) {
  const SmallFile version = read_small_file(root.fd, store_file::kVersion, kMaxRecordBytes);
  if (version.text == kVersionText) {
    return examine_file(examination, ground, root, store_file::kVersion, 0644);
  }
  const auto rewrite = [&] { ground.put_file(root.fd, store_file::kVersion, kVersionText, 0644); };
  Finding finding{"version-damaged", store_file::kVersion, version.problem, Severity::Damage,
                  Mend::Repair};
  if (version.is_absent()) {
    finding.detail = "it is missing: the store was not completed";
  } else if (version.text) {
    finding.detail =
        fmt::format("it says {} instead of {}", quoted(*version.text), quoted(kVersionText));
  }
  examination.found(std::move(finding), rewrite);
}

/// Everybody may make it, so its absence says nothing; but nobody can take a lock on anything else.
void examine_lock(Examination& examination, const StoreGround& ground, const FrameDir& root) {
  const auto stat = stat_at(root.fd, store_file::kLock);
  if (!stat) return;
  if (stat->type != FileType::Regular) {
    examination.found({"wrong-type", store_file::kLock, "it is not a regular file"});
    return;
  }
  examine_file(examination, ground, root, store_file::kLock, 0600);
}

enum class Owner { Alive, Dead, Gone };

/// Whether somebody works in a staging directory. A shared lock is enough to find out, and two
/// that look at once do not take each other for an owner.
Owner owner_of_staging(int staging_fd, const std::string& name) {
  auto dir = open_at_if_exists(staging_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!dir) return Owner::Gone;
  return FileLock::try_lock(std::move(*dir), LockKind::Shared) ? Owner::Dead : Owner::Alive;
}

bool has_live_staging(int staging_fd) {
  for (const DirEntry& entry : list_dir(staging_fd)) {
    const auto stat = stat_at(staging_fd, entry.name);
    if (!stat || stat->type != FileType::Directory) continue;
    if (owner_of_staging(staging_fd, entry.name) == Owner::Alive) return true;
  }
  return false;
}

}  // namespace

void StoreFrame::discard(const std::string& name) const {
  if (!staging) fail(Errc::NotFound, "there is nowhere to work");
  const StagingDir away(staging->get());
  make_driver_layout(driver, ground.root)->withdraw(away, {name});
  remove_tree_at(away.fd(), name);
}

std::unique_ptr<const DriverCheck> examine_driver(Examination& examination,
                                                  const StoreGround& ground,
                                                  StoreDriver driver) {
  return driver == StoreDriver::Aufs ? examine_aufs(examination, ground)
                                     : examine_overlay(examination, ground);
}

StoreFrame examine_frame(Examination& examination, int root) {
  StoreFrame frame;
  frame.ground = StoreGround::of(root);
  const StoreGround& ground = frame.ground;
  const FrameDir top{root, ""};
  examine_version(examination, ground, top);
  examine_lock(examination, ground, top);
  frame.staging =
      examine_directory(examination, ground, top, store_file::kStaging, 0700, IfAbsent::MakeEmpty);
  frame.work_in_progress = frame.staging && has_live_staging(frame.staging->get());
  frame.driver = find_driver(root).value_or(StoreDriver::Overlay2);
  frame.check = examine_driver(examination, ground, frame.driver);
  return frame;
}

void examine_staging(Examination& examination, const StoreFrame& frame) {
  if (!frame.staging) return;
  const FrameDir staging{frame.staging->get(), store_file::kStaging};
  for (const DirEntry& entry : list_dir(staging.fd)) {
    const auto stat = stat_at(staging.fd, entry.name);
    if (!stat) continue;
    if (stat->type != FileType::Directory) {
      examination.found_passing({"unexpected-name", staging.object(entry.name),
                                 "only directories belong here", Severity::Leftover, Mend::Repair},
                                [&] { frame.ground.set_aside(staging.fd, entry.name); });
    } else if (owner_of_staging(staging.fd, entry.name) == Owner::Dead) {
      examination.found_passing(
          {"staging-leftover", staging.object(entry.name),
           "whoever worked here died before it was done", Severity::Leftover, Mend::Repair},
          [&] { sweep_staging(staging.fd); });
    }
  }
}

}  // namespace layerkit
