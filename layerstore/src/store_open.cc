#include "store_open.h"

#include <fcntl.h>

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
                      entry.name == store_file::kOverlay || entry.name == store_file::kVersion;
    if (ours) continue;
    if (check_version(root)) return;  // finished meanwhile, and in use already
    fail(Errc::Invalid, "it is not a store and not empty: it has {}", quoted(entry.name));
  }
}

/// Makes the directory unless it is there, and gives it its mode in any case.
Fd ensure_dir(int parent, const std::string& name, mode_t mode) {
  if (!stat_at(parent, name)) return make_exact_dir(parent, name, mode);
  return open_dir_at(parent, name);
}

/// `version` comes last: with it the store is complete.
void make_store(int root) {
  require_empty(root);
  const FileLock lock(root, store_file::kLock, LockKind::Exclusive);
  if (check_version(root)) return;
  require_empty(root);
  const Fd staging = ensure_dir(root, store_file::kStaging, 0700);
  const Fd overlay = ensure_dir(root, store_file::kOverlay, 0710);
  const Fd links = ensure_dir(overlay.get(), store_file::kLinks, 0700);
  unlink_at(staging.get(), store_file::kVersion);
  write_exact_file(staging.get(), store_file::kVersion, kVersionText, 0644);
  sync_file_at(staging.get(), store_file::kVersion);
  sync_fd(overlay.get(), store_file::kOverlay);
  rename_at(staging.get(), store_file::kVersion, root, store_file::kVersion);
  sync_fd(root, store_file::kVersion);
}

}  // namespace

std::shared_ptr<const StoreDirs> open_store_dirs(const std::string& root) {
  return with_context([&] { return fmt::format("opening the store {}", quoted(root)); },
                      [&] {
                        Fd dir = open_root(root);
                        if (!check_version(dir.get())) make_store(dir.get());
                        std::string path = path_of_root(dir);
                        return std::make_shared<const StoreDirs>(std::move(dir), std::move(path));
                      });
}

}  // namespace layerkit
