#include "store_open.h"

#include <fcntl.h>

#include "driver_choice.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "store_files_linux.h"

namespace layerkit {
namespace {

std::string without_trailing_slashes(std::string path) {
  while (path.size() > 1 && path.ends_with('/'))
    path.pop_back();
  return path;
}

/// The root as an open directory, made with its missing parents.
Fd open_root(const std::string& root) {
  const std::string path = without_trailing_slashes(root);
  if (path.empty()) fail(Errc::Invalid, "the path is empty");
  if (!stat_at(AT_FDCWD, path)) {
    const std::size_t parent_end = path.rfind('/');
    if (parent_end != std::string::npos && parent_end > 0) {
      make_dirs(path.substr(0, parent_end), 0755);
    }
    try {
      return make_exact_dir(AT_FDCWD, path, 0710);
    } catch (const Error& error) {
      if (error.code() != Errc::Exists) throw;  // another process was faster
    }
  }
  // A last symlink is the user's own choice of place.
  return open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
}

/// The root's absolute path without symlinks.
std::string path_of_root(const Fd& root) {
  return read_link_at(AT_FDCWD, fmt::format("/proc/self/fd/{}", root.get()));
}

/// True when `root` is a store of our version; false when it is none yet.
bool check_version(int root) {
  if (!stat_at(root, store_file::kVersion)) return false;
  const std::string text = read_file_at(root, store_file::kVersion, kMaxRecordBytes);
  if (text == kVersionText) return true;
  if (!text.starts_with(kVersionPrefix)) {
    fail(Errc::Invalid, "it is not a store: its file 'version' says {}", quoted(text));
  }
  fail(Errc::Unsupported, "its format is {}; this program reads {}", quoted(text),
       quoted(kVersionText));
}

/// Nothing but what another process that makes the store right now, or died at it, may have made.
void require_empty(int root) {
  for (const DirEntry& entry : list_dir(root)) {
    const bool ours = entry.name == store_file::kLock || entry.name == store_file::kStaging ||
                      entry.name == store_file::kOverlay || entry.name == store_file::kAufs ||
                      entry.name == store_file::kVersion;
    if (ours) continue;
    if (check_version(root)) return;  // finished meanwhile, and in use already
    fail(Errc::Invalid, "it is not a store and not empty: it has {}", quoted(entry.name));
  }
}

/// Takes away the directories of a driver that an interrupted creation chose: they are empty.
void remove_driver_directories(int root, const char* driver) {
  const auto dir = open_at_if_exists(root, driver, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!dir) return;
  for (const DirEntry& entry : list_dir(dir->get())) {
    unlink_at(dir->get(), entry.name, AT_REMOVEDIR);
  }
  unlink_at(root, driver, AT_REMOVEDIR);
}

/// `version` comes last: with it the store is complete.
void make_store(int root, const StoreOptions& options) {
  require_empty(root);
  const FileLock lock(root, store_file::kLock, LockKind::Exclusive);
  if (check_version(root)) return;
  require_empty(root);
  const Fd staging = ensure_exact_dir(root, store_file::kStaging, 0700);
  const StoreDriver driver = choose_driver(staging.get(), options.driver, options.overlay_probe);
  remove_driver_directories(root,
                            driver == StoreDriver::Aufs ? store_file::kOverlay : store_file::kAufs);
  make_driver_directories(driver, root);
  unlink_at(staging.get(), store_file::kVersion);
  write_exact_file(staging.get(), store_file::kVersion, kVersionText, 0644);
  sync_file_at(staging.get(), store_file::kVersion);
  rename_at(staging.get(), store_file::kVersion, root, store_file::kVersion);
  sync_fd(root, store_file::kVersion);
}

/// The driver whose directories the store has.
StoreDriver driver_of(int root, const std::optional<StoreDriver>& wanted) {
  const StoreDriver driver = find_driver(root).value_or(StoreDriver::Overlay2);
  if (wanted && *wanted != driver) {
    fail(Errc::Invalid, "it has the storage driver {}, not {}: a store keeps its driver",
         driver_name(driver), driver_name(*wanted));
  }
  return driver;
}

}  // namespace

std::shared_ptr<const StoreDirs> open_store_dirs(const std::string& root,
                                                 const StoreOptions& options) {
  return with_context([&] { return fmt::format("opening the store {}", quoted(root)); },
                      [&] {
                        Fd dir = open_root(root);
                        if (!check_version(dir.get())) make_store(dir.get(), options);
                        const StoreDriver driver = driver_of(dir.get(), options.driver);
                        std::string path = path_of_root(dir);
                        return std::make_shared<const StoreDirs>(std::move(dir), std::move(path),
                                                                 driver);
                      });
}

}  // namespace layerkit
