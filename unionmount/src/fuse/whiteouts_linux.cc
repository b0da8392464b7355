#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>

#include "file_at.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/base/whiteout.h"
#include "whiteouts.h"

namespace layerkit {
namespace {

std::string overlay_key(const LiveBranch& branch, std::string_view suffix) {
  std::string key(overlay_xattr_prefix(branch.overlay_xattrs));
  return key += suffix;
}

}  // namespace

std::string whiteout_name_of(const std::string& name) {
  constexpr std::size_t kNameMax = 255;
  if (name.size() + kWhiteoutPrefix.size() > kNameMax)
    fail_errno(ENAMETOOLONG, "hiding {}", quoted(name));
  return std::string(kWhiteoutPrefix) + name;
}

bool is_whiteout_device(const LiveBranch& branch, const struct stat& stat) noexcept {
  return branch.reads_overlay_whiteouts() && S_ISCHR(stat.st_mode) && stat.st_rdev == makedev(0, 0);
}

bool has_whiteout_name(int dir, const std::string& name) noexcept {
  constexpr std::size_t kNameMax = 255;
  char path[kNameMax + 1];
  if (name.size() + kWhiteoutPrefix.size() > kNameMax) return false;
  kWhiteoutPrefix.copy(path, kWhiteoutPrefix.size());
  name.copy(path + kWhiteoutPrefix.size(), name.size());
  path[kWhiteoutPrefix.size() + name.size()] = '\0';
  return ::faccessat(dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool is_opaque(const LiveBranch& branch, int dir, const std::string& name) {
  if (branch.reads_whiteout_names()) {
    const std::string marker = name + '/' + std::string(kOpaqueName);
    if (::faccessat(dir, marker.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0) return true;
  }
  if (!branch.reads_overlay_whiteouts()) return false;
  std::string value;
  return get_xattr(dir, name, overlay_key(branch, "opaque").c_str(), value) == 0 && value == "y";
}

void check_is_in_place(const LiveBranch& branch,
                       int dir,
                       const std::string& name,
                       const struct stat& stat) {
  constexpr off_t kBlock = 512;
  if (!branch.reads_overlay_whiteouts()) return;
  const char* what = nullptr;
  if (S_ISDIR(stat.st_mode))
    what = "redirect";
  else if (S_ISREG(stat.st_mode) && stat.st_blocks * kBlock < stat.st_size)  // it has no contents
    what = "metacopy";
  else
    return;
  std::string value;
  if (get_xattr(dir, name, overlay_key(branch, what).c_str(), value) == 0)
    fail_errno(EPERM, "following the {} of {}", what, quoted(name));
}

void add_whiteout(const LiveBranch& branch, int dir, const std::string& name) {
  const bool is_aufs = branch.format == WhiteoutFormat::Aufs;
  branch.area->make_whiteout(dir, is_aufs ? whiteout_name_of(name) : name);
}

void remove_object(const LiveBranch& branch, int dir, const std::string& name, bool is_directory) {
  if (!is_directory) {
    remove_name(dir, name);
    return;
  }
  // What is left in a directory that is empty to the union are whiteouts. It leaves in one step.
  const std::string moved = branch.area->new_name();
  rename_name(dir, name, branch.area->staging(), moved, IfExists::Fail);
  remove_tree_at(branch.area->staging(), moved);
}

void replace_by_whiteout(const LiveBranch& branch,
                         int dir,
                         const std::string& name,
                         bool is_directory) {
  if (branch.format == WhiteoutFormat::Aufs) {
    add_whiteout(branch, dir, name);
    remove_object(branch, dir, name, is_directory);
    return;
  }
  const std::string staged = branch.area->new_name();
  branch.area->make_whiteout(branch.area->staging(), staged);
  rename_name(branch.area->staging(), staged, dir, name,
              is_directory ? IfExists::Exchange : IfExists::Replace);
  if (is_directory) remove_tree_at(branch.area->staging(), staged);
}

void clear_directory(const LiveBranch& branch, int dir, const std::string& name, bool hides) {
  const bool is_aufs = branch.format == WhiteoutFormat::Aufs;
  // AUFS's opaque mark would lie in it, too: a directory beside its whiteout hides as much.
  if (hides && is_aufs) add_whiteout(branch, dir, name);
  if (hides && !is_aufs) make_opaque(branch, dir, name);
  const Fd directory = open_name(dir, name, O_RDONLY | O_DIRECTORY);
  for (const DirEntry& entry : list_dir(directory.get())) {
    struct stat stat = {};
    const bool is_ours =
        entry.name.starts_with(kWhiteoutPrefix) ||
        (stat_name(directory.get(), entry.name, stat) == 0 && is_whiteout_device(branch, stat));
    // Anything else came a moment ago, and makes the rename fail.
    if (is_ours) remove_tree_at(directory.get(), entry.name);
  }
}

void remove_whiteout_name(const LiveBranch& branch, int dir, const std::string& name) {
  const std::string whiteout = whiteout_name_of(name);
  struct stat stat = {};
  // The union makes files; what others left may be anything.
  const bool is_directory = stat_name(dir, whiteout, stat) == 0 && S_ISDIR(stat.st_mode);
  remove_object(branch, dir, whiteout, is_directory);
}

void make_opaque(const LiveBranch& branch, int dir, const std::string& name) {
  if (branch.format == WhiteoutFormat::Aufs) {
    const Fd directory = open_name(dir, name, O_PATH | O_DIRECTORY);
    branch.area->make_whiteout(directory.get(), std::string(kOpaqueName));
    return;
  }
  const std::string key = overlay_key(branch, "opaque");
  if (::lsetxattr(proc_name(dir, name).c_str(), key.c_str(), "y", 1, 0) == 0) return;
  const int err = errno;
  fail_errno(err, "making a directory opaque");
}

}  // namespace layerkit
