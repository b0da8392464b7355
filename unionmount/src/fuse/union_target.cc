#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "copy_attributes.h"
#include "file_at.h"
#include "layerkit/base/error.h"
#include "union_fs.h"
#include "whiteouts.h"

namespace layerkit {

bool UnionFs::is_visible_on(const Node& parent, const LiveBranch& branch, const Found& name) {
  // A name that exists or is hidden further up would cover what is written here.
  if (name.whiteout != nullptr && branch.index > name.whiteout->index) return false;
  if (name.exists() && branch.index > name.top().index) return false;
  return can_hold(parent, branch);
}

/// Whether the directory would be seen on the branch if it were made there.
bool UnionFs::can_hold(const Node& directory, const LiveBranch& branch) {
  const auto& parts = directory.parts;
  if (std::find(parts.begin(), parts.end(), &branch) != parts.end()) return true;
  if (branch.index < parts.back()->index) return true;
  // Below all of its parts: none of them, nor a whiteout, may hide it there.
  const NodeName& name = directory.names.front();
  if (name.parent == nullptr || !can_hold(*name.parent, branch)) return false;
  for (const LiveBranch* part : name.parent->parts) {
    if (part->index >= branch.index) break;
    if (part->index < parts.front()->index) continue;
    const DirectoryFds::Ref dir = fds_.of(*name.parent, *part);
    const bool hides = part->reads_whiteout_names() && has_whiteout_name(dir->get(), name.name);
    if (hides || is_opaque(*part, dir->get(), name.name)) return false;
  }
  return true;
}

LiveBranch& UnionFs::branch_for_new(const Node& parent, const Found& absent, bool is_directory) {
  if (parent.parts.empty()) fail_errno(ENOENT, "writing to a directory that was removed");
  std::vector<LiveBranch*> candidates;
  std::vector<LiveBranch*> with_parent;
  for (const auto& branch : branches_) {
    if (!branch->writable() || !is_visible_on(parent, *branch, absent)) continue;
    candidates.push_back(branch.get());
    if (std::find(parent.parts.begin(), parent.parts.end(), branch.get()) != parent.parts.end())
      with_parent.push_back(branch.get());
  }
  if (candidates.empty()) fail_errno(EROFS, "writing to a union without a writable branch there");
  if (settings_.create.rule == CreateRule::TopDownParent && with_parent.empty()) {
    // The nearest above the directory ("bottom-up").
    for (auto it = candidates.rbegin(); it != candidates.rend(); ++it)
      if ((*it)->index < parent.top().index) return **it;
  }
  return choice_.choose(settings_.create, candidates, with_parent, is_directory);
}

LiveBranch& UnionFs::branch_for_copy(const Node& parent, const LiveBranch& source) {
  LiveBranch* nearest = nullptr;
  LiveBranch* nearest_with_parent = nullptr;
  LiveBranch* highest_with_parent = nullptr;
  for (const auto& branch : branches_) {
    if (branch->index >= source.index) break;
    if (!branch->writable()) continue;
    nearest = branch.get();
    if (std::find(parent.parts.begin(), parent.parts.end(), branch.get()) == parent.parts.end())
      continue;
    nearest_with_parent = branch.get();
    if (highest_with_parent == nullptr) highest_with_parent = branch.get();
  }
  if (nearest == nullptr) fail_errno(EROFS, "copying up without a writable branch above");
  LiveBranch* preferred = settings_.copy_up == CopyUpRule::TopDownParent    ? highest_with_parent
                          : settings_.copy_up == CopyUpRule::BottomUpParent ? nearest_with_parent
                                                                            : nearest;
  return preferred != nullptr ? *preferred : *nearest;
}

void UnionFs::add_part(Node& directory, LiveBranch& branch) {
  auto& parts = directory.parts;
  const auto below = std::find_if(parts.begin(), parts.end(), [&](const LiveBranch* part) {
    return part->index > branch.index;
  });
  parts.insert(below, &branch);
  directory.ino = 0;  // the next lookup finds out
}

/// REQUIRES: the exclusive tree lock. A crash leaves the directory or nothing.
DirectoryFds::Ref UnionFs::ensure_directory(Node& directory, LiveBranch& branch) {
  const auto& parts = directory.parts;
  if (directory.names.empty() || parts.empty())
    fail_errno(ENOENT, "writing to a directory that was removed");
  if (std::find(parts.begin(), parts.end(), &branch) != parts.end())
    return fds_.of(directory, branch);
  const NodeName& name = directory.names.front();
  const DirectoryFds::Ref parent = ensure_directory(*name.parent, branch);
  const struct stat parent_stat = stat_open(parent->get());
  const DirectoryFds::Ref source = fds_.of(directory, directory.top());
  const struct stat stat = stat_open(source->get());

  const std::string staged = branch.area->new_name();
  if (::mkdirat(branch.area->staging(), staged.c_str(), 0700) != 0) {
    const int err = errno;
    fail_errno(err, "making a directory on a branch");
  }
  const Fd copy = open_name(branch.area->staging(), staged, O_RDONLY | O_DIRECTORY);
  copy_attributes(source->get(), stat, directory.top(), copy.get(),
                  {.owners = may_change_owners_, .private_xattrs = branch.overlay_xattrs});
  // An Aufs branch may hold a whiteout of the name only where the directory could not be seen.
  rename_name(branch.area->staging(), staged, parent->get(), name.name, IfExists::Fail);
  set_times(parent->get(), parent_stat.st_atim, parent_stat.st_mtim);
  add_part(directory, branch);
  watch_parts(directory);
  return fds_.of(directory, branch);
}

}  // namespace layerkit
