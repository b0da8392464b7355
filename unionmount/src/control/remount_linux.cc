#include <fcntl.h>
#include <sys/mount.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "aufs/aufs_remount.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/unionmount/open_branches.h"
#include "layerkit/unionmount/union_client.h"

namespace layerkit {
namespace {

/// As the kernel would show it, also where the directory has gone.
std::string absolute_path(const std::string& path) {
  std::error_code error;
  const auto canonical = std::filesystem::canonical(path, error);
  if (!error) return canonical.string();
  const auto absolute = std::filesystem::absolute(path, error).lexically_normal();
  return error ? path : absolute.string();
}

class Remount final {
 public:
  explicit Remount(const UnionInfo& info) : client_(info) {
    for (const BranchState& branch : info.branches)
      paths_.push_back(branch.path);
  }

  void operator()(const InsertBranch& change) {
    // aufs(5): without a permission, the first branch can be written to and others cannot.
    const Branch branch = open_branch(
        change.branch, change.index == 0 ? BranchAccess::ReadWrite : BranchAccess::ReadOnly);
    if (is_known(branch.path)) return;
    check_place(branch);
    BranchText text = change.branch;
    text.path = branch.path;
    text.access = branch.access;
    client_.insert_branch(change.index, text, branch.directory);
    paths_.push_back(branch.path);
  }
  void operator()(const DeleteBranch& change) {
    const std::string path = shown_path(change.path);
    client_.delete_branch(path);
    std::erase(paths_, path);
  }
  void operator()(ModifyBranch change) {
    change.branch.path = shown_path(change.branch.path);
    client_.modify_branch(change.branch);
  }

  void change_settings(const AufsSettings& before, const AufsSettings& after) const {
    if (before == after) return;
    client_.change_settings(after);
  }

 private:
  /// As the union shows it, else as it is now.
  std::string shown_path(const std::string& path) const {
    return is_known(path) ? path : absolute_path(path);
  }
  bool is_known(const std::string& path) const {
    return std::ranges::find(paths_, path) != paths_.end();
  }

  /// Throws where the branch and another one would lie in each other.
  void check_place(const Branch& branch) const {
    std::vector<Branch> branches;
    for (const std::string& path : paths_) {
      // What cannot be reached by its name any more cannot be compared.
      if (auto directory = open_at_if_exists(AT_FDCWD, path, O_PATH | O_DIRECTORY))
        branches.push_back({std::move(*directory), BranchAccess::ReadOnly, {}, path});
    }
    branches.push_back(
        {branch.directory.duplicate(), branch.access, branch.attributes, branch.path});
    check_branches(branches);
  }

  UnionClient client_;
  std::vector<std::string> paths_;
};

/// The bits of mount_setattr(2) for the flags of the mount.
std::uint64_t attribute_bits(const MountOptions& options) {
  std::uint64_t bits = 0;
  if (options.read_only) bits |= MOUNT_ATTR_RDONLY;
  if (options.no_suid) bits |= MOUNT_ATTR_NOSUID;
  if (options.no_dev) bits |= MOUNT_ATTR_NODEV;
  if (options.no_exec) bits |= MOUNT_ATTR_NOEXEC;
  return bits;
}

void change_flags(const MountInfo& mount, const MountOptions& before, const MountOptions& after) {
  const std::uint64_t old_bits = attribute_bits(before);
  const std::uint64_t new_bits = attribute_bits(after);
  if (old_bits == new_bits) return;
  struct mount_attr change = {};
  change.attr_set = new_bits & ~old_bits;
  change.attr_clr = old_bits & ~new_bits;
  if (::mount_setattr(AT_FDCWD, mount.mount_point.c_str(), AT_SYMLINK_NOFOLLOW, &change,
                      sizeof(change)) < 0)
    fail_errno(errno, "changing the flags of the mount at {}", quoted(mount.mount_point));
}

/// Branches of a whole list ("br:") are those to be there: what is missing comes to the bottom.
void add_missing(Remount& remount, const std::vector<BranchText>& branches) {
  for (const BranchText& branch : branches)
    remount(InsertBranch{-1, branch});
}

}  // namespace

std::vector<std::string> remount_union(const std::string& mount_point, std::string_view options) {
  const auto mount = find_mount(mount_point);
  if (!mount) fail(Errc::NotFound, "{} is no mount point", quoted(mount_point));
  if (mount->type == "aufs") {
    remount_kernel_aufs(*mount, options);
    return {};
  }
  const auto info = find_union(*mount);
  if (!info) fail(Errc::NotFound, "there is no union of yours at {}", quoted(mount_point));
  const AufsSettings settings = parse_mount_options(info->settings).aufs;
  const MountOptions before = parse_mount_options(mount->options, settings);
  const MountOptions after =
      parse_mount_options(fmt::format("{},{}", mount->options, options), settings);
  Remount remount(*info);
  add_missing(remount, after.branches);
  for (const BranchChange& change : after.changes)
    std::visit(remount, change);
  remount.change_settings(settings, after.aufs);
  change_flags(*mount, before, after);
  return after.warnings;
}

}  // namespace layerkit
