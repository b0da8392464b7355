#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "copy_attributes.h"
#include "file_at.h"
#include "layerkit/base/error.h"
#include "union_fs.h"
#include "whiteouts.h"

namespace layerkit {
namespace {

std::string read_target(int link) {
  std::string target(PATH_MAX, '\0');
  const ssize_t got = ::readlinkat(link, "", target.data(), target.size());
  if (got < 0) {
    const int err = errno;
    fail_errno(err, "reading a symlink");
  }
  target.resize(static_cast<std::size_t>(got));
  return target;
}

/// Makes an object of the source's type; its data, where it has any, are `size` bytes.
void make_copy(int staging, const std::string& name, int source, const struct stat& stat) {
  int failed = 0;
  if (S_ISLNK(stat.st_mode))
    failed = ::symlinkat(read_target(source).c_str(), staging, name.c_str());
  else
    failed = ::mknodat(staging, name.c_str(), (stat.st_mode & S_IFMT) | 0600, stat.st_rdev);
  if (failed == 0) return;
  const int err = errno;
  fail_errno(err, "making a copy on a branch");
}

/// Removes what was staged unless it was published.
class Staged final {
 public:
  Staged(int dir, std::string name) : dir_(dir), name_(std::move(name)) {}
  Staged(const Staged&) = delete;
  Staged& operator=(const Staged&) = delete;
  ~Staged() {
    if (!name_.empty()) ::unlinkat(dir_, name_.c_str(), 0);
  }
  const std::string& name() const noexcept { return name_; }
  void keep() noexcept { name_.clear(); }

 private:
  int dir_;
  std::string name_;
};

}  // namespace

std::mutex& UnionFs::copy_mutex(const Node& node) noexcept {
  return copy_mutexes_[(reinterpret_cast<std::uintptr_t>(&node) >> 6) % copy_mutexes_.size()];
}

void UnionFs::copy_up(Node& node, LiveBranch* wanted, off_t size) {
  if (!node.is_directory()) {
    copy_up_file(node, wanted, size);
    return;
  }
  const std::unique_lock tree(tree_);
  if (node.names.empty() || node.parts.empty()) return;  // removed: `held` is what there is
  if (wanted == nullptr && node.top().writable()) return;
  Node* parent = node.names.front().parent;
  LiveBranch* target = wanted;
  if (target == nullptr) target = &branch_for_copy(parent != nullptr ? *parent : node, node.top());
  ensure_directory(node, *target);
}

void UnionFs::copy_up_file(Node& node, LiveBranch* wanted, off_t size) {
  const std::lock_guard copying(copy_mutex(node));
  LiveBranch* target = wanted;
  Fd source;
  {
    const std::shared_lock tree(tree_);
    if (wanted == nullptr ? node.top().writable() : &node.top() == wanted) return;
    NodeName name;
    const bool has_name = nodes_.reachable_name(node, name);
    if (target == nullptr)
      target = &branch_for_copy(has_name && name.parent != nullptr ? *name.parent : nodes_.root(),
                                node.top());
    source = node.type == S_IFREG ? open_file(node, O_RDONLY) : open_node(node);
  }
  const struct stat stat = stat_open(source.get());
  PrivateArea& area = *target->area;
  Staged staged(area.staging(), area.new_name());
  make_copy(area.staging(), staged.name(), source.get(), stat);
  const bool is_regular = S_ISREG(stat.st_mode);
  const Fd copy = open_name(area.staging(), staged.name(), is_regular ? O_RDWR : O_PATH);
  if (is_regular) copy_data(source.get(), copy.get(), size == kWholeFile ? stat.st_size : size);
  copy_attributes(source.get(), stat, node.top(), copy.get(),
                  {.owners = may_change_owners_, .private_xattrs = target->overlay_xattrs});
  // With its name it is the file that was cut.
  if (is_regular && size != kWholeFile && size < stat.st_size)
    set_times(copy.get(), stat.st_atim, {.tv_sec = 0, .tv_nsec = UTIME_NOW});
  // Without it a crash of the machine could leave the name without the data.
  if (is_regular && !expendable_upper_ && ::fdatasync(copy.get()) != 0) {
    const int err = errno;
    fail_errno(err, "writing a copy to the disk");
  }
  const std::unique_lock tree(tree_);
  publish_copy(node, *target, staged.name(), stat);
  if (nodes_.has_names(node)) staged.keep();
}

void UnionFs::publish_copy(Node& node,
                           LiveBranch& target,
                           const std::string& staged,
                           const struct stat& source) {
  const int staging = target.area->staging();
  struct stat copy = {};
  const int err = stat_name(staging, staged, copy);
  if (err != 0) fail_errno(err, "looking at a copy");
  NodeName name;
  bool has_name = false;
  {
    // Any name that the union shows will do; the others follow by the pseudo-link.
    const std::lock_guard lock(nodes_.mutex());
    for (const NodeName& candidate : node.names) {
      if (candidate.parent == nullptr) continue;
      name = candidate;
      has_name = true;
      break;
    }
  }
  if (!has_name) {
    // Unlinked while it was open: the copy lives as long as the node.
    node.held = std::make_shared<const Fd>(
        open_name(staging, staged, S_ISREG(source.st_mode) ? O_RDWR : O_PATH));
    node.removed_links = 0;
    node.missing_links = 0;
    nodes_.move_file(node, target, copy.st_ino, nullptr, {});
    nodes_.detach_file(node);
    return;
  }
  const LiveBranch& from = node.top();
  const NameChange change(*this, *name.parent, false);
  const DirectoryFds::Ref dir = ensure_directory(*name.parent, target);
  const struct stat parent = stat_open(dir->get());
  const std::uint32_t links_below =
      static_cast<std::uint32_t>(source.st_nlink) -
      std::min<std::uint32_t>(static_cast<std::uint32_t>(source.st_nlink), 1 + node.removed_links);
  const bool is_linked = links_below > 0 && settings_.pseudo_links && !from.writable();
  const std::string link = PseudoLinks::name_of(node.number, copy.st_ino);
  if (settings_.inode_table || is_linked) {
    // Until it has its name, that one is missing, too.
    numbers_.keep(target, copy.st_ino,
                  {node.number, is_linked ? links_below + 1 : 0, /*awaits_name=*/is_linked});
  }
  // The others' names lead to the copy as long as the record says that there are some.
  if (is_linked && !expendable_upper_) numbers_.sync(target);
  if (is_linked && ::linkat(staging, staged.c_str(), target.area->links(), link.c_str(), 0) != 0) {
    const int link_err = errno;
    if (link_err != EEXIST) fail_errno(link_err, "keeping a hard link");
  }
  rename_name(staging, staged, dir->get(), name.name, IfExists::Fail);
  if (is_linked) numbers_.keep(target, copy.st_ino, {node.number, links_below});
  if (from.writable() && from.attributes.on_open == OnOpen::MoveUp && name.on == &from)
    layerkit::remove_name(fds_.of(*name.parent, from)->get(), name.name);
  set_times(dir->get(), parent.st_atim, parent.st_mtim);
  node.is_new_copy = true;
  nodes_.move_file(node, target, copy.st_ino, name.parent, name.name);
  node.removed_links = 0;
  if (is_linked) {
    node.missing_links = links_below;
    node.has_pseudo_link = true;
    nodes_.add_name(node, {nullptr, link, &target});
    pseudo_links_.add(node.number, {&target, link, copy.st_ino});
  }
}

void UnionFs::copy_up_tree(Node& directory, LiveBranch& target) {
  // REQUIRES: no tree lock; names below are looked up as a process would.
  copy_up(directory, &target);
  DirectoryHandle handle;
  handle.node = &directory;
  const std::shared_ptr<const MergedList> entries = list(handle, true);
  for (std::size_t i = 2; i < entries->size(); ++i) {
    const std::optional<NodeReply> reply = lookup(directory, std::string(entries->name(i)));
    if (!reply) continue;
    Node& node = *reply->node;
    try {
      if (node.is_directory())
        copy_up_tree(node, target);
      else
        copy_up(node, &target);
    } catch (const Error&) {
      forget(node, 1);
      throw;
    }
    forget(node, 1);
  }
}

}  // namespace layerkit
