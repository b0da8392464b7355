#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "file_at.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "setid_change.h"
#include "union_fs.h"

namespace layerkit {
namespace {

bool is_for_writing(int flags) noexcept {
  return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0;
}

/// What a process may say of a file that is there already.
constexpr int kOpenFlags = O_ACCMODE | O_TRUNC | O_SYNC | O_DSYNC | O_NOATIME | O_NONBLOCK | O_PATH;

constexpr uid_t kNobody = static_cast<uid_t>(-1);  ///< chown(2): leave it

}  // namespace

/// REQUIRES: the tree lock.
Fd UnionFs::open_file(Node& node, int flags) {
  if (!settings_.direct_io && (flags & O_DIRECT) != 0)
    fail_errno(EINVAL, "opening a file of a union without direct I/O");
  // The kernel does direct I/O with this process; what lies between has no alignment to keep. It
  // also says where to append: a process may change its mind (F_SETFL).
  flags &= kOpenFlags;
  if ((flags & O_PATH) == 0) flags |= node.top().reading_flags();
  NodeName name;
  if (!nodes_.reachable_name(node, name)) return open_nameless(node, flags);
  const DirectoryFds::Ref dir = name.parent != nullptr ? fds_.of(*name.parent, *name.on) : nullptr;
  Fd fd =
      try_open(dir ? dir->get() : name.on->area->links(), name.name.c_str(), flags | O_NOFOLLOW);
  if (fd) return fd;
  const int err = errno;
  if (err == ENOENT) return open_nameless(node, flags);
  fail_errno(err, "opening {}", quoted(name.name));
}

Fd UnionFs::open_nameless(Node& node, int flags) {
  std::string path;
  // What is held is the copy, where a file was copied up after its last name had gone.
  if (node.held) path = proc_name(node.held->get(), "");
  const int open_fd = path.empty() ? nodes_.open_fd(node) : -1;
  if (open_fd >= 0) path = proc_name(open_fd, "");
  if (path.empty()) fail_errno(ESTALE, "opening a file that is gone");
  Fd fd = try_open(AT_FDCWD, path.c_str(), flags & ~O_NOFOLLOW);
  if (!fd) {
    const int err = errno;
    fail_errno(err, "opening a file without a name");
  }
  return fd;
}

Fd UnionFs::open_node(Node& node) {
  if (!node.is_directory()) return open_file(node, O_PATH);
  if (node.held) return node.held->duplicate();
  if (node.parts.empty()) fail_errno(ESTALE, "opening a directory that is gone");
  return fds_.of(node, node.top())->duplicate();
}

bool UnionFs::needs_copy_to_open(const Node& node, int flags) const {
  const LiveBranch& top = node.top();
  if (is_for_writing(flags)) return !top.writable();
  if (top.attributes.on_open == OnOpen::Nothing || node.type != S_IFREG) return false;
  return std::any_of(branches_.begin(), branches_.end(), [&](const auto& branch) {
    return branch->writable() && branch->index < top.index;
  });
}

bool UnionFs::is_copied_up_by_open(const Node& directory) {
  const std::shared_lock tree(tree_);
  if (directory.parts.empty()) return false;
  const LiveBranch& top = directory.top();
  return top.attributes.on_open == OnOpen::CopyUpAll && !top.writable() &&
         std::any_of(branches_.begin(), branches_.end(), [&](const auto& branch) {
           return branch->writable() && branch->index < top.index;
         });
}

std::unique_ptr<FileHandle> UnionFs::make_handle(Node& node, Fd fd, int flags) {
  auto handle = std::make_unique<FileHandle>();
  handle->node = &node;
  handle->branch = &node.top();
  handle->flags = flags;
  // A file may move to any writable branch, and a branch may have others mounted in it.
  if ((flags & O_ACCMODE) != O_RDONLY)
    handle->fails_at_close = some_fail_at_close_ || stat_open(fd.get()).st_dev != node.top().device;
  handle->fd = fd.get();
  handle->revision = node.revision.load();
  handle->owned.push_back(std::move(fd));
  nodes_.add_handle(node, *handle);
  return handle;
}

/// open_file() as the caller would: cutting the file is a change of it.
Fd UnionFs::open_for(Node& node, int flags, const RequestFlags& request) {
  if ((flags & O_TRUNC) == 0 || !request.kills_setid_bits) {
    keep_setid_bits(true);
    return open_file(node, flags);
  }
  const SetidChange change(request, real_stat(node));
  Fd fd = open_file(node, flags);
  change.settle(fd.get());
  return fd;
}

std::unique_ptr<FileHandle> UnionFs::open(Node& node, int flags, const RequestFlags& request) {
  for (;;) {
    LiveBranch* wanted = nullptr;
    {
      const std::shared_lock tree(tree_);
      if (!needs_copy_to_open(node, flags)) {
        Fd fd = open_for(node, flags, request);
        // Each write is synced then, as fdatasync(2) does.
        if ((flags & O_DSYNC) != 0 && node.is_new_copy) sync_copy(node, fd.get());
        return make_handle(node, std::move(fd), flags);
      }
      if (node.top().writable()) {
        NodeName name;
        nodes_.reachable_name(node, name);
        wanted =
            &branch_for_copy(name.parent != nullptr ? *name.parent : nodes_.root(), node.top());
      }
    }
    // A file that is cut to nothing needs none of its data.
    copy_up(node, wanted, (flags & O_TRUNC) != 0 ? 0 : kWholeFile);
  }
}

/// REQUIRES: the tree lock.
void UnionFs::sync_copy(Node& node, int fd) {
  numbers_.sync(node.top());
  if (::fsync(fd) == 0) {
    node.is_new_copy = false;
    return;
  }
  const int err = errno;
  fail_errno(err, "syncing a copy");
}

void UnionFs::sync_file(FileHandle& handle, SyncWhat what) {
  const int fd = readable_fd(handle);
  Node& node = *handle.node;
  if (node.is_new_copy && handle.revision.load() == node.revision.load()) {
    // The file was there before: fdatasync(2) keeps what is written to it, so it keeps the name
    // of the copy, too.
    const std::shared_lock tree(tree_);
    sync_copy(node, fd);
    return;
  }
  if ((what == SyncWhat::Data ? ::fdatasync(fd) : ::fsync(fd)) == 0) return;
  const int err = errno;
  fail_errno(err, "syncing a file");
}

void UnionFs::close(std::unique_ptr<FileHandle> handle) {
  const std::shared_lock tree(tree_);
  nodes_.remove_handle(*handle->node, *handle);
}

void UnionFs::split_off(Node& node, LiveBranch& branch) {
  const std::unique_lock tree(tree_);
  nodes_.split_off(node, branch);
}

std::shared_ptr<const Fd> UnionFs::shared_file(Node& node) {
  if (auto known = shared_files_.find(&node)) return known;
  const std::shared_lock tree(tree_);
  return shared_files_.add(&node, open_file(node, O_RDONLY));
}

int UnionFs::readable_fd(FileHandle& handle) {
  const Node& node = *handle.node;
  // The kernel reads the old file itself; all that is asked by this handle stays with it.
  if (handle.backing_id != 0 ||
      handle.revision.load(std::memory_order_acquire) == node.revision.load())
    return handle.fd.load();
  // The file was copied up: what others write from now on goes to the copy.
  const std::shared_lock tree(tree_);
  const std::lock_guard lock(handle.mutex);
  const std::uint32_t revision = node.revision.load();
  if (handle.revision.load() == revision) return handle.fd.load();
  Fd fd;
  if (node.held && !nodes_.has_names(node))
    fd = Fd(::open(proc_name(node.held->get(), "").c_str(), O_RDONLY | O_CLOEXEC));
  else
    fd = open_file(*handle.node, handle.flags & ~O_TRUNC);
  handle.fd = fd.get();
  handle.branch = &node.top();
  handle.owned.push_back(std::move(fd));
  handle.revision = revision;
  return handle.fd.load();
}

std::string UnionFs::read_link(Node& node) {
  const std::shared_lock tree(tree_);
  const Fd link = open_node(node);
  std::string target(PATH_MAX, '\0');
  const ssize_t got = ::readlinkat(link.get(), "", target.data(), target.size());
  if (got < 0) {
    const int err = errno;
    fail_errno(err, "reading a symlink");
  }
  target.resize(static_cast<std::size_t>(got));
  return target;
}

struct stat UnionFs::change_attributes(Node& node,
                                       const AttributeChange& change,
                                       FileHandle* open_as,
                                       const RequestFlags& request) {
  copy_up(node, nullptr, change.size.value_or(kWholeFile));
  const std::shared_lock tree(tree_);
  Fd object = open_node(node);
  if (change.size) {
    const int open_fd =
        open_as != nullptr && is_for_writing(open_as->flags) ? open_as->fd.load() : -1;
    const Fd file = open_fd < 0 ? open_file(node, O_WRONLY) : Fd();
    const int fd = open_fd < 0 ? file.get() : open_fd;
    const SetidChange setid(request, fd);
    if (::ftruncate(fd, *change.size) != 0) {
      const int err = errno;
      fail_errno(err, "changing the size");
    }
    setid.settle(fd);
  }
  if (change.uid || change.gid)
    set_owner(object.get(), change.uid ? stored_id(settings_.users, *change.uid) : kNobody,
              change.gid ? stored_id(settings_.groups, *change.gid) : kNobody);
  if (change.mode) {
    keep_setid_bits(true);
    set_mode(object.get(), *change.mode & 07777);
  }
  if (change.atime || change.mtime) {
    const struct timespec omit = {0, UTIME_OMIT};
    set_times(object.get(), change.atime.value_or(omit), change.mtime.value_or(omit));
  }
  return shown(node, node.is_directory() ? real_stat(node) : stat_open(object.get()));
}

struct statvfs UnionFs::space() {
  const std::shared_lock tree(tree_);
  const auto of_branch = [](const LiveBranch& branch) {
    struct statvfs space = {};
    if (::fstatvfs(branch.root.get(), &space) != 0) {
      const int err = errno;
      fail_errno(err, "asking for the space of a branch");
    }
    return space;
  };
  struct statvfs total = of_branch(*branches_.front());
  total.f_namemax = branches_.front()->name_max();
  if (!settings_.sum_space) return total;
  std::vector<dev_t> counted = {branches_.front()->device};
  for (const auto& branch : branches_) {
    if (settings_.sum_writable_only && !branch->writable()) continue;
    if (std::find(counted.begin(), counted.end(), branch->device) != counted.end()) continue;
    counted.push_back(branch->device);
    const struct statvfs space = of_branch(*branch);
    const auto scaled = [&](fsblkcnt_t blocks) { return blocks * space.f_frsize / total.f_frsize; };
    total.f_blocks += scaled(space.f_blocks);
    total.f_bfree += scaled(space.f_bfree);
    total.f_bavail += scaled(space.f_bavail);
    total.f_files += space.f_files;
    total.f_ffree += space.f_ffree;
    total.f_favail += space.f_favail;
  }
  return total;
}

}  // namespace layerkit
