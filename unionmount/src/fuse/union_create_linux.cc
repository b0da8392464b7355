#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
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

constexpr const char* kDefaultAcl = "system.posix_acl_default";

/// Where a new object of `parent` can be made before it gets its name: a place that hands down
/// group and ACL as `parent` does.
class Nursery final {
 public:
  Nursery(PrivateArea& area, int parent) : area_(area) {
    const struct stat stat = stat_open(parent);
    std::string acl;
    const bool has_acl = layerkit::get_xattr(parent, "", kDefaultAcl, acl) == 0;
    if ((stat.st_mode & S_ISGID) == 0 && !has_acl) return;
    name_ = area.new_name();
    if (::mkdirat(area.staging(), name_.c_str(), 0700) != 0) {
      const int err = errno;
      fail_errno(err, "making a directory on a branch");
    }
    dir_ = open_name(area.staging(), name_, O_RDONLY | O_DIRECTORY);
    keep_setid_bits(true);
    if (::fchown(dir_.get(), static_cast<uid_t>(-1), stat.st_gid) != 0) return;
    set_mode(dir_.get(), 0700 | (stat.st_mode & S_ISGID));
    if (has_acl) ::fsetxattr(dir_.get(), kDefaultAcl, acl.data(), acl.size(), 0);
  }
  Nursery(const Nursery&) = delete;
  Nursery& operator=(const Nursery&) = delete;
  ~Nursery() {
    if (name_.empty()) return;
    try {
      remove_tree_at(area_.staging(), name_);
    } catch (const Error&) {
      // The next mount removes it.
    }
  }
  int fd() const noexcept { return name_.empty() ? area_.staging() : dir_.get(); }

 private:
  PrivateArea& area_;
  std::string name_;
  Fd dir_;
};

void make_object(int dir, const std::string& name, const NewObject& object) {
  int failed = 0;
  if (S_ISDIR(object.mode))
    failed = ::mkdirat(dir, name.c_str(), object.mode & 07777);
  else if (S_ISLNK(object.mode))
    failed = ::symlinkat(object.target.c_str(), dir, name.c_str());
  else
    failed = ::mknodat(dir, name.c_str(), object.mode, object.device);
  if (failed == 0) return;
  const int err = errno;
  fail_errno(err, "making {}", quoted(name));
}

/// With the mark that makes it opaque, if it has that.
void remove_new_directory(int dir, const std::string& name) noexcept {
  try {
    remove_tree_at(dir, name);
  } catch (...) {  // NOLINT(bugprone-empty-catch): the first error is the one to tell
  }
}

/// Does the second half of making an object; when it fails the object is taken away again.
template <typename Work>
void finish_object(int dir, const std::string& name, bool is_directory, Work&& work) {
  try {
    work();
  } catch (...) {
    if (is_directory)
      remove_new_directory(dir, name);
    else
      ::unlinkat(dir, name.c_str(), 0);
    throw;
  }
}

/// This thread's umask, so that the branch applies it or a default ACL in its stead.
class WithUmask final {
 public:
  explicit WithUmask(mode_t mask) : before_(::umask(mask)) {}
  WithUmask(const WithUmask&) = delete;
  WithUmask& operator=(const WithUmask&) = delete;
  ~WithUmask() { ::umask(before_); }

 private:
  mode_t before_;
};

}  // namespace

/// The caller as a branch knows it.
Caller UnionFs::stored(const Caller& caller) const {
  if (!may_change_owners_) return caller;
  return {.uid = stored_id(settings_.users, caller.uid),
          .gid = stored_id(settings_.groups, caller.gid),
          .umask = caller.umask};
}

std::uint32_t UnionFs::stored_id(const OwnerMapping& owners, std::uint32_t id) {
  if (const auto stored = owners.stored(id)) return *stored;
  fail_errno(EOVERFLOW, "giving something to the owner {}, whom no branch can have", id);
}

void UnionFs::give_to_caller(
    int dir, int parent, const std::string& name, mode_t mode, const Caller& caller) const {
  if (!may_change_owners_) return;
  if (caller.uid == ::geteuid() && caller.gid == ::getegid()) return;
  const struct stat parent_stat = stat_open(parent);
  const bool inherits = (parent_stat.st_mode & S_ISGID) != 0;
  const gid_t gid = inherits ? parent_stat.st_gid : caller.gid;
  if (::fchownat(dir, name.c_str(), caller.uid, gid, AT_SYMLINK_NOFOLLOW) != 0) {
    const int err = errno;
    fail_errno(err, "giving {} to its owner", quoted(name));
  }
  // chown(2) cleared them.
  if (S_ISREG(mode) && (mode & (S_ISUID | S_ISGID)) != 0) {
    const Fd object = open_object(dir, name);
    const struct stat made = stat_open(object.get());
    keep_setid_bits(true);
    set_mode(object.get(), (made.st_mode & 07777) | (mode & (S_ISUID | S_ISGID)));
  }
}

/// Makes the object where nothing of its name is seen. `make(dir, name)` makes it; on failure
/// nothing is left.
template <typename Make>
void UnionFs::make_in_place(const Place& place,
                            const std::string& name,
                            bool is_directory,
                            Make&& make) {
  LiveBranch& branch = *place.branch;
  const bool was_hidden_here = place.absent->whiteout == &branch;
  const bool must_be_opaque = is_directory && (settings_.always_opaque || was_hidden_here);
  const NameChange change(*this, *place.parent, is_directory);
  if (was_hidden_here && !place.absent->is_hidden_by_name) {
    const Nursery nursery(*branch.area, place.dir->get());
    const std::string staged = branch.area->new_name();
    make(nursery.fd(), staged);
    if (must_be_opaque) make_opaque(branch, nursery.fd(), staged);
    rename_name(nursery.fd(), staged, place.dir->get(), name,
                is_directory ? IfExists::Exchange : IfExists::Replace);
    if (is_directory) layerkit::remove_name(nursery.fd(), staged);
    return;
  }
  make(place.dir->get(), name);
  finish_object(place.dir->get(), name, is_directory, [&] {
    if (must_be_opaque) make_opaque(branch, place.dir->get(), name);
    if (was_hidden_here) remove_whiteout_name(branch, place.dir->get(), name);
  });
}

NodeReply UnionFs::enter_new(Node& parent, const std::string& name, LiveBranch& branch, int dir) {
  Found found;
  const int err = stat_name(dir, name, found.stat);
  if (err != 0) fail_errno(err, "looking at {}", quoted(name));
  found.parts.assign(1, &branch);
  // An inode that was forgotten here by others may have left its number.
  if (found.stat.st_nlink < 2) numbers_.forget(branch, found.stat.st_ino);
  found.number = numbers_.number(branch, found.stat.st_ino);
  NodeReply reply = enter(parent, name, found);
  if (reply.node->is_directory()) {
    fds_.drop(*reply.node);
    reply.node->parts = found.parts;
    reply.node->number = found.number;
    reply.node->ino = 0;
    watch_parts(*reply.node);
  }
  return reply;
}

NodeReply UnionFs::make(Node& parent,
                        const std::string& name,
                        const NewObject& object,
                        const Caller& caller) {
  check_name(name);
  const std::unique_lock tree(tree_);
  const Found absent = find(parent, name);
  if (absent.exists()) fail_errno(EEXIST, "making {}", quoted(name));
  if (format_ == WhiteoutFormat::Overlay && S_ISCHR(object.mode) && object.device == 0)
    fail_errno(EPERM, "making {}: a device 0:0 is a whiteout", quoted(name));
  const bool is_directory = S_ISDIR(object.mode);
  LiveBranch& branch = branch_for_new(parent, absent, is_directory);
  if (name.size() > branch.name_max()) fail_errno(ENAMETOOLONG, "making {}", quoted(name));
  const Caller owner = stored(caller);
  const Place place = {&branch, &parent, ensure_directory(parent, branch), &absent};
  {
    const WithUmask umask(caller.umask);
    make_in_place(place, name, is_directory, [&](int dir, const std::string& as) {
      make_object(dir, as, object);
      finish_object(dir, as, is_directory,
                    [&] { give_to_caller(dir, place.dir->get(), as, object.mode, owner); });
    });
  }
  return enter_new(parent, name, branch, place.dir->get());
}

UnionFs::Created UnionFs::create(Node& parent,
                                 const std::string& name,
                                 mode_t mode,
                                 int flags,
                                 const Caller& caller,
                                 const RequestFlags& request) {
  check_name(name);
  {
    const std::unique_lock tree(tree_);
    const Found absent = find(parent, name);
    if (!absent.exists()) {
      LiveBranch& branch = branch_for_new(parent, absent, false);
      if (name.size() > branch.name_max()) fail_errno(ENAMETOOLONG, "creating {}", quoted(name));
      const Caller owner = stored(caller);
      const Place place = {&branch, &parent, ensure_directory(parent, branch), &absent};
      Fd fd;
      {
        const WithUmask umask(caller.umask);
        make_in_place(place, name, false, [&](int dir, const std::string& as) {
          fd = open_name(dir, as,
                         (flags & ~(O_TRUNC | O_NOFOLLOW | O_DIRECT | O_APPEND)) | O_CREAT | O_EXCL,
                         mode & 07777);
          finish_object(dir, as, false,
                        [&] { give_to_caller(dir, place.dir->get(), as, mode, owner); });
        });
      }
      const NodeReply reply = enter_new(parent, name, branch, place.dir->get());
      return {reply, make_handle(*reply.node, std::move(fd), flags)};
    }
    if ((flags & O_EXCL) != 0) fail_errno(EEXIST, "creating {}", quoted(name));
  }
  // Somebody else made it on a branch.
  std::optional<NodeReply> reply = lookup(parent, name);
  if (!reply) fail_errno(ESTALE, "creating {}", quoted(name));
  try {
    return {*reply, open(*reply->node, flags & ~(O_CREAT | O_EXCL), request)};
  } catch (...) {
    forget(*reply->node, 1);
    throw;
  }
}

UnionFs::Created UnionFs::make_nameless(Node& parent,
                                        mode_t mode,
                                        int flags,
                                        const Caller& caller) {
  const std::unique_lock tree(tree_);
  LiveBranch& branch = branch_for_new(parent, {}, false);
  const Caller owner = stored(caller);
  const DirectoryFds::Ref dir = ensure_directory(parent, branch);
  Fd fd;
  {
    const WithUmask umask(caller.umask);
    fd = Fd(::openat(dir->get(), ".",
                     (flags & ~(O_CREAT | O_EXCL | O_DIRECT | O_APPEND)) | O_TMPFILE | O_CLOEXEC,
                     mode & 07777));
  }
  if (!fd) {
    const int err = errno;
    fail_errno(err, "making a file without a name");
  }
  if (may_change_owners_ && (owner.uid != ::geteuid() || owner.gid != ::getegid())) {
    const struct stat parent_stat = stat_open(dir->get());
    const bool inherits = (parent_stat.st_mode & S_ISGID) != 0;
    set_owner(fd.get(), owner.uid, inherits ? parent_stat.st_gid : owner.gid);
  }
  const struct stat stat = stat_open(fd.get());
  const NodeTable::Seen seen = {.type = S_IFREG,
                                .number = numbers_.number(branch, stat.st_ino),
                                .parts = {&branch},
                                .ino = stat.st_ino,
                                .name = {},
                                .link = {},
                                .missing_links = 0};
  Node& node = nodes_.enter_nameless(seen);
  node.held = std::make_shared<const Fd>(fd.duplicate());
  return {{&node, shown(node, stat)}, make_handle(node, std::move(fd), flags)};
}

NodeReply UnionFs::link(Node& node, Node& parent, const std::string& name) {
  check_name(name);
  for (;;) {
    LiveBranch* wanted = nullptr;
    {
      const std::unique_lock tree(tree_);
      const Found absent = find(parent, name);
      if (absent.exists()) fail_errno(EEXIST, "linking {}", quoted(name));
      LiveBranch& branch = node.top();
      if (branch.writable() && is_visible_on(parent, branch, absent)) {
        if (name.size() > branch.name_max()) fail_errno(ENAMETOOLONG, "linking {}", quoted(name));
        const Fd source = open_node(node);
        const Place place = {&branch, &parent, ensure_directory(parent, branch), &absent};
        make_in_place(place, name, false, [&](int dir, const std::string& as) {
          if (::linkat(AT_FDCWD, proc_name(source.get(), "").c_str(), dir, as.c_str(),
                       AT_SYMLINK_FOLLOW) != 0) {
            const int err = errno;
            fail_errno(err, "linking {}", quoted(name));
          }
        });
        nodes_.add_name(node, {&parent, name, &branch});
        nodes_.add_lookup(node);
        return {&node, shown(node, real_stat(node))};
      }
      wanted = branch.writable() ? &branch_for_new(parent, absent, false) : nullptr;
      if (wanted == nullptr) wanted = &branch_for_copy(parent, branch);
    }
    copy_up(node, wanted);
  }
}

}  // namespace layerkit
