#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "kept_times.h"
#include "layerkit/base/error.h"
#include "layerkit/base/whiteout.h"
#include "private_area.h"

namespace layerkit {
namespace {

// aufs(5), "Branch Syntax"; aufs_type.h.
constexpr const char* kBaseName = ".wh..wh.aufs";
constexpr const char* kOrphanName = ".wh..wh.orph";
constexpr const char* kTableName = ".wh..wh.xino";
/// The inode that overlay's whiteouts of this union share.
constexpr const char* kWhiteoutLink = "whiteout";

constexpr mode_t kWhiteoutMode = 0444;

Fd open_or_make_dir(int parent, const std::string& name) {
  if (::mkdirat(parent, name.c_str(), 0700) != 0 && errno != EEXIST) {
    const int err = errno;
    fail_errno(err, "making '{}' on the branch", name);
  }
  return open_dir_at(parent, name);
}

void remove_contents(int dir) {
  for (const DirEntry& entry : list_dir(dir))
    remove_tree_at(dir, entry.name);
}

/// The file that whiteouts are links of. Anything may lie on a branch: a pipe would be waited for.
void make_base(int branch_root) {
  struct stat stat = {};
  if (::fstatat(branch_root, kBaseName, &stat, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(stat.st_mode))
    fail(Errc::Invalid, "'{}' on the branch is not a regular file", kBaseName);
  constexpr int kFlags = O_CREAT | O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  const Fd base(::openat(branch_root, kBaseName, kFlags, kWhiteoutMode));
  if (base) return;
  const int err = errno;
  fail_errno(err, "making '{}' on the branch", kBaseName);
}

/// The server of a union that was unmounted just now may still be on its way out.
FileLock lock_area(const Fd& dir) {
  constexpr int kTries = 100;
  constexpr useconds_t kPause = 10'000;
  for (int tries = 1;; ++tries) {
    std::optional<FileLock> lock =
        FileLock::try_lock(open_dir_at(dir.get(), "."), LockKind::Exclusive);
    if (lock) return std::move(*lock);
    if (tries == kTries) fail(Errc::Busy, "another union writes to it");
    ::usleep(kPause);
  }
}

}  // namespace

PrivateArea::PrivateArea(WhiteoutFormat format,
                         Fd staging,
                         Fd links,
                         Fd table_dir,
                         std::string table_name,
                         FileLock lock,
                         bool links_whiteouts)
    : format_(format),
      staging_(std::move(staging)),
      links_(std::move(links)),
      table_dir_(std::move(table_dir)),
      table_name_(std::move(table_name)),
      lock_(std::move(lock)),
      links_whiteouts_(links_whiteouts) {}

std::unique_ptr<PrivateArea> PrivateArea::open_aufs(int branch_root,
                                                    const BranchAttributes& attributes) {
  const KeptTimes times(branch_root);
  Fd staging = open_or_make_dir(branch_root, kOrphanName);
  FileLock lock = lock_area(staging);
  remove_contents(staging.get());
  Fd links = open_or_make_dir(branch_root, std::string(kAufsLinkDirectory));
  make_base(branch_root);
  return std::make_unique<PrivateArea>(WhiteoutFormat::Aufs, std::move(staging), std::move(links),
                                       open_dir_at(branch_root, "."), kTableName, std::move(lock),
                                       !attributes.no_link_whiteouts);
}

std::unique_ptr<PrivateArea> PrivateArea::open_overlay(int work_dir) {
  const Fd area = open_or_make_dir(work_dir, std::string(kUnionDirectory));
  Fd staging = open_or_make_dir(area.get(), "staging");
  FileLock lock = lock_area(staging);
  remove_contents(staging.get());
  Fd links = open_or_make_dir(area.get(), std::string(kUnionLinkDirectory));
  return std::make_unique<PrivateArea>(WhiteoutFormat::Overlay, std::move(staging),
                                       std::move(links), open_dir_at(area.get(), "."), "xino",
                                       std::move(lock), true);
}

std::string PrivateArea::new_name() {
  return fmt::format("{:x}", next_name_.fetch_add(1, std::memory_order_relaxed));
}

void PrivateArea::make_whiteout_file(int dir, const std::string& name) const {
  const int failed = format_ == WhiteoutFormat::Overlay
                         ? ::mknodat(dir, name.c_str(), S_IFCHR, makedev(0, 0))
                         : ::mknodat(dir, name.c_str(), S_IFREG | kWhiteoutMode, 0);
  if (failed == 0) return;
  const int err = errno;
  if (err == EEXIST && format_ == WhiteoutFormat::Aufs) return;
  fail_errno(err, "making a whiteout");
}

bool PrivateArea::link_whiteout(int dir, const std::string& name) {
  const bool is_overlay = format_ == WhiteoutFormat::Overlay;
  const int base_dir = is_overlay ? staging_.get() : table_dir_.get();
  const char* base = is_overlay ? kWhiteoutLink : kBaseName;
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (::linkat(base_dir, base, dir, name.c_str(), 0) == 0) return true;
    const int err = errno;
    if (err == EEXIST && !is_overlay) return true;
    if (err != ENOENT && err != EMLINK) return false;
    if (err == EMLINK) ::unlinkat(base_dir, base, 0);
    // Two threads may come here at once; the second then finds the base.
    const int failed = is_overlay ? ::mknodat(base_dir, base, S_IFCHR, makedev(0, 0))
                                  : ::mknodat(base_dir, base, S_IFREG | kWhiteoutMode, 0);
    if (failed != 0 && errno != EEXIST) return false;
  }
  return false;
}

void PrivateArea::make_whiteout(int dir, const std::string& name) {
  if (links_whiteouts_ && link_whiteout(dir, name)) return;
  make_whiteout_file(dir, name);
}

}  // namespace layerkit
