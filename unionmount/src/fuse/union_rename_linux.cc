#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "file_at.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "union_fs.h"
#include "whiteouts.h"

namespace layerkit {
namespace {

constexpr int kMostTurns = 1000;

/// A directory that is on one writable branch and nowhere else can move as it is.
bool is_movable(const std::vector<LiveBranch*>& parts, const LiveBranch& target) {
  return parts.size() == 1 && parts.front() == &target;
}

/// Renames and leaves a whiteout at the old name, in one step where the file system can.
void rename_leaving_whiteout(
    LiveBranch& branch, int from, const std::string& name, int to, const std::string& new_name) {
  constexpr unsigned kRenameWhiteout = 4;  // RENAME_WHITEOUT
  if (::renameat2(from, name.c_str(), to, new_name.c_str(), kRenameWhiteout) == 0) return;
  const std::string staged = branch.area->new_name();
  branch.area->make_whiteout(branch.area->staging(), staged);
  rename_name(from, name, to, new_name, IfExists::Replace);
  rename_name(branch.area->staging(), staged, from, name, IfExists::Fail);
}

}  // namespace

void UnionFs::check_rename(const RenameSide& from, const RenameSide& to, RenameKind kind) {
  if (!from.found.exists()) fail_errno(ENOENT, "renaming {}", quoted(*from.name));
  if (kind == RenameKind::Exchange) {
    if (!to.found.exists()) fail_errno(ENOENT, "exchanging {}", quoted(*to.name));
    return;
  }
  if (!to.found.exists()) return;
  if (kind == RenameKind::NoReplace) fail_errno(EEXIST, "renaming to {}", quoted(*to.name));
  if (from.found.is_directory() && !to.found.is_directory())
    fail_errno(ENOTDIR, "renaming to {}", quoted(*to.name));
  if (!from.found.is_directory() && to.found.is_directory())
    fail_errno(EISDIR, "renaming to {}", quoted(*to.name));
}

/// Where both names can be written: the source's own branch if that is possible. (A file that was
/// reached by its pseudo-link is there, and gets the name first.)
LiveBranch& UnionFs::branch_for_rename(const RenameSide& from, const RenameSide& to) {
  LiveBranch& source = from.found.top();
  if (source.writable() && is_visible_on(*to.parent, source, to.found)) return source;
  // The nearest above both that is writable.
  std::size_t limit = source.index;
  if (to.found.exists()) limit = std::min(limit, to.found.top().index);
  if (to.found.whiteout != nullptr) limit = std::min(limit, to.found.whiteout->index);
  LiveBranch* nearest = nullptr;
  for (const auto& branch : branches_) {
    const bool may_be_same = to.found.exists() && &to.found.top() == branch.get();
    if (branch->index > limit || (branch->index == source.index && !may_be_same)) break;
    if (branch->writable() && is_visible_on(*to.parent, *branch, to.found) &&
        branch->index <= source.index)
      nearest = branch.get();
  }
  if (nearest == nullptr) fail_errno(EROFS, "renaming {}", quoted(*from.name));
  return *nearest;
}

/// Brings the object to the branch. True when that took the lock away, so that all has to be
/// looked at again.
bool UnionFs::bring_to(const RenameSide& side,
                       LiveBranch& target,
                       std::unique_lock<TreeLock>& tree) {
  const Found& found = side.found;
  const bool is_directory = found.is_directory();
  if (is_directory && is_movable(found.parts, target)) return false;
  if (!is_directory && &found.top() == &target && !found.is_by_link) return false;
  if (is_directory && !settings_.rename_directories)
    fail_errno(EXDEV, "renaming {}: a directory with parts on other branches", quoted(*side.name));
  Node& node = *enter(*side.parent, *side.name, found).node;
  if (is_directory && node.parts != found.parts) {
    fds_.drop(node);
    node.parts = found.parts;
  }
  if (found.is_by_link) {
    // The file is there, under its pseudo-link; it gets the name, too.
    place_linked(*side.parent, *side.name, node);
    nodes_.forget(node, 1);
    return true;
  }
  tree.unlock();
  try {
    if (is_directory)
      copy_up_tree(node, target);
    else
      copy_up(node, &target);
  } catch (const Error&) {
    nodes_.forget(node, 1);
    throw;
  }
  tree.lock();
  if (is_directory) make_pure(node, target);
  nodes_.forget(node, 1);
  return true;
}

/// Gives a file that was reached by its pseudo-link the name on its branch.
void UnionFs::place_linked(Node& parent, const std::string& name, Node& node) {
  LiveBranch& branch = node.top();
  const DirectoryFds::Ref dir = ensure_directory(parent, branch);
  const Fd source = open_node(node);
  if (::linkat(AT_FDCWD, proc_name(source.get(), "").c_str(), dir->get(), name.c_str(),
               AT_SYMLINK_FOLLOW) != 0) {
    const int err = errno;
    fail_errno(err, "linking {}", quoted(name));
  }
  nodes_.set_name_branch(node, parent, name, branch);
  if (node.missing_links > 0) --node.missing_links;
  numbers_.keep(branch, node.ino, {node.number, node.missing_links});
}

/// All of the directory is on `target` now: the other parts do not count any more.
void UnionFs::make_pure(Node& directory, LiveBranch& target) {
  const NodeName& name = directory.names.front();
  make_opaque(target, fds_.of(*name.parent, target)->get(), name.name);
  std::vector<Node*> inside = {&directory};
  nodes_.for_each([&](const NodeName& child, Node& node) {
    if (!node.is_directory()) return;
    for (const Node* at = child.parent; at != nullptr && !at->names.empty();
         at = at->names.front().parent) {
      if (at != &directory) continue;
      inside.push_back(&node);
      return;
    }
  });
  for (Node* node : inside) {
    fds_.drop(*node);
    node->parts.assign(1, &target);
    node->ino = 0;
  }
}

void UnionFs::exchange(RenameSide& from, RenameSide& to, LiveBranch& target) {
  const DirectoryFds::Ref from_dir = ensure_directory(*from.parent, target);
  const DirectoryFds::Ref to_dir = ensure_directory(*to.parent, target);
  if (from.found.is_directory() && exists_below(*to.parent, target, *to.name))
    make_opaque(target, from_dir->get(), *from.name);
  if (to.found.is_directory() && exists_below(*from.parent, target, *from.name))
    make_opaque(target, to_dir->get(), *to.name);
  rename_name(from_dir->get(), *from.name, to_dir->get(), *to.name, IfExists::Exchange);
  Node* a = nodes_.find(*from.parent, *from.name);
  Node* b = nodes_.find(*to.parent, *to.name);
  if (a != nullptr && b != nullptr && a != b)
    nodes_.exchange(*a, {from.parent, *from.name, &target}, *b, {to.parent, *to.name, &target});
}

void UnionFs::move(RenameSide& from, RenameSide& to, LiveBranch& target) {
  const bool is_directory = from.found.is_directory();
  const DirectoryFds::Ref from_dir = ensure_directory(*from.parent, target);
  const DirectoryFds::Ref to_dir = ensure_directory(*to.parent, target);
  const bool hides = exists_below(*from.parent, target, *from.name);
  const bool was_hidden = !to.found.exists() && to.found.whiteout == &target;
  const bool replaces_here = to.found.exists() && &to.found.top() == &target;
  if (is_directory && (was_hidden || to.found.exists() || settings_.always_opaque))
    make_opaque(target, from_dir->get(), *from.name);

  const bool is_aufs = target.format == WhiteoutFormat::Aufs;
  const bool replaces_directory = is_directory && replaces_here;
  if (replaces_directory)
    clear_directory(target, to_dir->get(), *to.name, exists_below(*to.parent, target, *to.name));
  bool leaves_whiteout = was_hidden && to.found.is_hidden_by_name;
  if (is_aufs) {
    // A name beside its whiteout is seen: until the rename nothing has happened.
    if (hides) add_whiteout(target, from_dir->get(), *from.name);
    rename_name(from_dir->get(), *from.name, to_dir->get(), *to.name, IfExists::Replace);
    leaves_whiteout = leaves_whiteout || replaces_directory;
  } else if (is_directory && was_hidden && !to.found.is_hidden_by_name) {
    // Overlay's whiteout is a file, which no directory replaces. At the old name it is right, or
    // hides nothing.
    rename_name(from_dir->get(), *from.name, to_dir->get(), *to.name, IfExists::Exchange);
    if (!hides) remove_object(target, from_dir->get(), *from.name, false);
  } else if (hides) {
    rename_leaving_whiteout(target, from_dir->get(), *from.name, to_dir->get(), *to.name);
  } else {
    rename_name(from_dir->get(), *from.name, to_dir->get(), *to.name, IfExists::Replace);
  }
  if (leaves_whiteout) remove_whiteout_name(target, to_dir->get(), *to.name);
}

void UnionFs::rename(Node& old_parent,
                     const std::string& old_name,
                     Node& new_parent,
                     const std::string& new_name,
                     RenameKind kind) {
  check_name(old_name);
  check_name(new_name);
  std::unique_lock tree(tree_);
  // Each turn brings one of the two nearer; others may undo that, but not for ever.
  for (int turn = 0; turn < kMostTurns; ++turn) {
    RenameSide from = {&old_parent, &old_name, find(old_parent, old_name)};
    RenameSide to = {&new_parent, &new_name, find(new_parent, new_name)};
    check_rename(from, to, kind);
    // Two names of one file: rename(2) does nothing.
    if (kind != RenameKind::Exchange && to.found.exists() && !to.found.is_directory() &&
        from.found.number == to.found.number && from.found.stat.st_nlink > 1 &&
        &from.found.top() == &to.found.top() && from.found.stat.st_ino == to.found.stat.st_ino)
      return;
    LiveBranch& target = branch_for_rename(from, to);
    if (new_name.size() > target.name_max())
      fail_errno(ENAMETOOLONG, "renaming to {}", quoted(new_name));
    if (to.found.is_directory() && kind != RenameKind::Exchange) check_replaceable(to);
    if (bring_to(from, target, tree)) continue;
    if (kind == RenameKind::Exchange && bring_to(to, target, tree)) continue;
    const bool moves_directory = from.found.is_directory() || to.found.is_directory();
    const NameChange here(*this, old_parent, moves_directory);
    const NameChange there(*this, new_parent, moves_directory);
    if (kind == RenameKind::Exchange)
      exchange(from, to, target);
    else
      replace(from, to, target);
    return;
  }
  fail_errno(ESTALE, "renaming {}: its branches change all the time", quoted(old_name));
}

/// The directory that a rename replaces must be empty to the union.
void UnionFs::check_replaceable(const RenameSide& to) {
  Node& node = *enter(*to.parent, *to.name, to.found).node;
  try {
    if (node.parts != to.found.parts) {
      fds_.drop(node);
      node.parts = to.found.parts;
    }
    check_empty(node);
  } catch (const Error&) {
    nodes_.forget(node, 1);
    throw;
  }
  nodes_.forget(node, 1);
}

/// Moves, and takes what was replaced out of the tables.
void UnionFs::replace(RenameSide& from, RenameSide& to, LiveBranch& target) {
  Node* replaced = nodes_.find(*to.parent, *to.name);
  DirectoryFds::Ref replaced_dir;
  if (replaced != nullptr && to.found.exists()) {
    if (replaced->is_directory())
      replaced_dir = fds_.of(*replaced, replaced->top());
    else if (replaced->held == nullptr && nodes_.is_last_name(*replaced))
      replaced->held = std::make_shared<const Fd>(open_node(*replaced));
  }
  move(from, to, target);
  if (replaced != nullptr && to.found.exists()) {
    if (replaced->is_directory()) {
      retire_directory(*replaced, replaced_dir);
      nodes_.remove_name(*replaced, to.parent, *to.name);
    } else {
      forget_name(*to.parent, *to.name, to.found);
      drop_last_link(*replaced);
      if (!nodes_.has_names(*replaced) && to.found.top().writable() &&
          to.found.stat.st_nlink == 1) {
        numbers_.forget(to.found.top(), to.found.stat.st_ino);
        nodes_.detach_file(*replaced);
      }
    }
  }
  if (Node* moved = nodes_.find(*from.parent, *from.name))
    nodes_.rename(*moved, *from.parent, *from.name, {to.parent, *to.name, &target});
}

}  // namespace layerkit
