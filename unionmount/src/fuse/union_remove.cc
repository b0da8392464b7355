#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "file_at.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "union_fs.h"
#include "whiteouts.h"

namespace layerkit {

/// Takes a name out of the union: the object of the top branch goes if that is writable, and a
/// whiteout stays where something would come into view.
void UnionFs::hide_or_remove(Node& parent, const std::string& name, const Found& found) {
  const NameChange change(*this, parent, found.is_directory());
  LiveBranch& top = found.top();
  const bool is_there = top.writable() && !found.is_by_link;
  LiveBranch& target = is_there ? top : branch_for_copy(parent, name_branch(parent, name, found));
  const bool is_on_target = is_there;
  const bool is_covered = !is_on_target || exists_below(parent, target, name);
  const DirectoryFds::Ref dir = ensure_directory(parent, target);
  if (!is_on_target)
    add_whiteout(target, dir->get(), name);
  else if (is_covered)
    replace_by_whiteout(target, dir->get(), name, found.is_directory());
  else
    remove_object(target, dir->get(), name, found.is_directory());
}

/// The branch that holds the name itself: for a file that was found through a pseudo-link another
/// one than the file's.
LiveBranch& UnionFs::name_branch(const Node& parent, const std::string& name, const Found& found) {
  if (!found.is_by_link) return found.top();
  for (LiveBranch* part : parent.parts) {
    struct stat stat = {};
    if (stat_name(fds_.of(parent, *part)->get(), name, stat) == 0) return *part;
  }
  return found.top();
}

void UnionFs::forget_name(Node& parent, const std::string& name, const Found& found) {
  Node* node = nodes_.find(parent, name);
  if (node == nullptr || node->is_directory()) return;
  LiveBranch& branch = node->top();
  const bool was_below = !found.top().writable() || found.is_by_link;
  if (!branch.writable()) {
    ++node->removed_links;
  } else if (was_below && node->missing_links > 0) {
    --node->missing_links;
    numbers_.keep(branch, node->ino, {node->number, node->missing_links});
    // After the name, so that a crash may count one too many, never too few; but not for long.
    if (!expendable_upper_) numbers_.sync(branch);
  }
  nodes_.remove_name(*node, &parent, name);
}

void UnionFs::drop_last_link(Node& node) {
  // A file that has nothing but its pseudo-link any more is gone.
  LiveBranch& branch = node.top();
  if (node.has_pseudo_link && node.missing_links == 0) {
    const std::string link = PseudoLinks::name_of(node.number, node.ino);
    struct stat stat = {};
    if (stat_name(branch.area->links(), link, stat) == 0 && stat.st_nlink == 1) {
      layerkit::remove_name(branch.area->links(), link);
      pseudo_links_.remove(node.number);
      nodes_.remove_name(node, nullptr, link);
      node.has_pseudo_link = false;
      numbers_.forget(branch, node.ino);
      nodes_.detach_file(node);
    }
  }
}

void UnionFs::unlink(Node& parent, const std::string& name) {
  check_name(name);
  const std::unique_lock tree(tree_);
  const Found found = find(parent, name);
  if (!found.exists()) fail_errno(ENOENT, "removing {}", quoted(name));
  if (found.is_directory()) fail_errno(EISDIR, "removing {}", quoted(name));
  Node* node = nodes_.find(parent, name);
  // Whoever looked it up, or has it open with O_PATH, may still ask for it.
  if (node != nullptr && node->held == nullptr && nodes_.is_last_name(*node))
    node->held = std::make_shared<const Fd>(open_node(*node));
  hide_or_remove(parent, name, found);
  if (node == nullptr) {
    if (found.top().writable() && found.stat.st_nlink == 1)
      numbers_.forget(found.top(), found.stat.st_ino);
    return;
  }
  forget_name(parent, name, found);
  drop_last_link(*node);
  if (!nodes_.has_names(*node) && found.top().writable() && found.stat.st_nlink == 1) {
    numbers_.forget(found.top(), found.stat.st_ino);
    nodes_.detach_file(*node);
  }
}

void UnionFs::check_empty(Node& directory) {
  ListMerger merger({.shows_whiteouts = false, .drops_whiteout_names = reads_whiteout_names_});
  for (std::size_t i = 0; i < directory.parts.size(); ++i) {
    LiveBranch& branch = *directory.parts[i];
    const Fd dir = open_name(fds_.of(directory, branch)->get(), ".",
                             O_RDONLY | O_DIRECTORY | branch.reading_flags());
    merger.add(branch, dir.get(), i + 1 < directory.parts.size(),
               [](LiveBranch&, std::uint64_t ino) { return ino; });
  }
  if (std::move(merger).finish().size() > 0) fail_errno(ENOTEMPTY, "removing a directory");
}

void UnionFs::rmdir(Node& parent, const std::string& name) {
  check_name(name);
  const std::unique_lock tree(tree_);
  const Found found = find(parent, name);
  if (!found.exists()) fail_errno(ENOENT, "removing {}", quoted(name));
  if (!found.is_directory()) fail_errno(ENOTDIR, "removing {}", quoted(name));
  const NodeReply reply = enter(parent, name, found);
  Node& node = *reply.node;
  try {
    if (node.parts != found.parts) {
      fds_.drop(node);
      node.parts = found.parts;
    }
    check_empty(node);
    const DirectoryFds::Ref top = fds_.of(node, node.top());
    hide_or_remove(parent, name, found);
    retire_directory(node, top);
    nodes_.remove_name(node, &parent, name);
  } catch (const Error&) {
    nodes_.forget(node, 1);
    throw;
  }
  nodes_.forget(node, 1);
}

/// Somebody may stand in it: it stays, empty and without a name.
void UnionFs::retire_directory(Node& node, const DirectoryFds::Ref& top) {
  node.held = top;
  fds_.drop(node);
  node.parts.clear();
  changed(node, true);
}

}  // namespace layerkit
