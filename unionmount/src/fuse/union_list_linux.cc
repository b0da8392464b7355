#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "file_at.h"
#include "layerkit/base/error.h"
#include "union_fs.h"

namespace layerkit {

std::unique_ptr<DirectoryHandle> UnionFs::open_directory(Node& node) {
  if (is_copied_up_by_open(node)) copy_up(node);
  auto handle = std::make_unique<DirectoryHandle>();
  handle->node = &node;
  {
    const std::lock_guard lock(open_directories_mutex_);
    open_directories_.insert(handle.get());
  }
  nodes_.pin(node);
  return handle;
}

void UnionFs::close_directory(std::unique_ptr<DirectoryHandle> handle) {
  {
    const std::lock_guard lock(open_directories_mutex_);
    open_directories_.erase(handle.get());
  }
  const std::shared_lock tree(tree_);
  nodes_.unpin(*handle->node);
}

std::shared_ptr<const MergedList> UnionFs::list(DirectoryHandle& handle, bool from_start) {
  const std::lock_guard lock(handle.mutex);
  Node& node = *handle.node;
  if (handle.list != nullptr && (!from_start || handle.revision == node.revision.load()) &&
      !(from_start && !may_be_cached()))
    return handle.list;
  const std::shared_lock tree(tree_);
  handle.revision = node.revision.load();
  handle.list = std::make_shared<const MergedList>(read_list(node));
  return handle.list;
}

/// REQUIRES: the tree lock.
MergedList UnionFs::read_list(Node& node) {
  ListMerger merger(
      {.shows_whiteouts = settings_.show_whiteouts, .drops_whiteout_names = reads_whiteout_names_});
  const Node* parent = node.names.empty() ? nullptr : node.names.front().parent;
  merger.add_self(node.number, parent != nullptr ? parent->number : node.number);
  for (std::size_t i = 0; i < node.parts.size(); ++i) {
    LiveBranch& branch = *node.parts[i];
    const Fd dir = open_name(fds_.of(node, branch)->get(), ".",
                             O_RDONLY | O_DIRECTORY | branch.reading_flags());
    merger.add(branch, dir.get(), i + 1 < node.parts.size(),
               [this](LiveBranch& of, std::uint64_t ino) { return numbers_.number(of, ino); });
  }
  return std::move(merger).finish();
}

std::shared_ptr<const MergedList> UnionFs::shared_list(Node& node) {
  if (auto known = shared_lists_.find(&node)) return known;
  const std::shared_lock tree(tree_);
  return shared_lists_.add(&node, read_list(node));
}

std::optional<NodeReply> UnionFs::lookup_listed(DirectoryHandle& handle, std::size_t index) {
  Node& parent = *handle.node;
  const MergedList::Item& item = (*handle.list)[index];
  const std::string name(handle.list->name(index));
  // Directories may have parts below; what was removed since may have something below.
  if (item.type == DT_DIR || settings_.show_whiteouts) return lookup(parent, name);
  std::shared_lock tree(tree_);
  if (handle.revision != parent.revision.load() ||
      nodes_.is_elsewhere(parent, name, *item.branch)) {
    tree.unlock();
    return lookup(parent, name);
  }
  Found found;
  const int err = stat_name(fds_.of(parent, *item.branch)->get(), name, found.stat);
  if (err != 0 || S_ISDIR(found.stat.st_mode)) return std::nullopt;
  found.parts.assign(1, item.branch);
  found.number = numbers_.number(*item.branch, found.stat.st_ino);
  find_pseudo_link(found);
  return enter(parent, name, found);
}

void UnionFs::sync_directory(Node& node) {
  const std::shared_lock tree(tree_);
  for (LiveBranch* part : node.parts) {
    if (!part->writable()) continue;
    numbers_.sync(*part);
    const Fd dir = open_name(fds_.of(node, *part)->get(), ".", O_RDONLY | O_DIRECTORY);
    if (::fsync(dir.get()) == 0) continue;
    const int err = errno;
    fail_errno(err, "syncing a directory");
  }
}

}  // namespace layerkit
