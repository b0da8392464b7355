// Operations on names, attributes and extended attributes, and the table of all.

#include <unistd.h>

#include <optional>
#include <shared_mutex>
#include <string_view>

#include "control/message.h"
#include "fuse_request.h"
#include "setid_change.h"

namespace layerkit {
namespace {

void init(void* user, fuse_conn_info* conn) {
  auto& server = *static_cast<FuseServer*>(user);
  const auto want = [&](unsigned capabilities) { conn->want |= conn->capable & capabilities; };
  // Without these libfuse would hand requests over in pipes, and read them back from there.
  conn->want &= ~static_cast<unsigned>(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
                                       FUSE_CAP_SPLICE_MOVE | FUSE_CAP_HANDLE_KILLPRIV |
                                       FUSE_CAP_FLOCK_LOCKS | FUSE_CAP_POSIX_LOCKS);
  want(FUSE_CAP_ASYNC_READ | FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_DONT_MASK |
       FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO |
       FUSE_CAP_ASYNC_DIO | FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_AUTO_INVAL_DATA);
  if (server.fs.has_acls()) want(FUSE_CAP_POSIX_ACL);
  if (server.writeback) want(FUSE_CAP_WRITEBACK_CACHE);
  constexpr unsigned kManyRequests = 64;
  conn->max_background = kManyRequests;
  conn->congestion_threshold = kManyRequests * 3 / 4;
  conn->time_gran = 1;
}

void lookup(fuse_req_t req, fuse_ino_t parent, const char* name) {
  answer(req, [&](UnionFs& fs) {
    const std::shared_lock told(server_of(req).telling);
    Node& directory = node_of(req, parent);
    server_of(req).listing_demand.looked_up(directory, name);
    const std::optional<NodeReply> reply = fs.lookup(directory, name);
    if (reply) {
      reply_entry(req, *reply);
      return;
    }
    fuse_entry_param absent = {};
    absent.entry_timeout = server_of(req).cache_seconds();
    if (absent.entry_timeout > 0)
      fuse_reply_entry(req, &absent);
    else
      fuse_reply_err(req, ENOENT);
  });
}

void forget(fuse_req_t req, fuse_ino_t id, uint64_t lookups) {
  server_of(req).fs.forget(node_of(req, id), lookups);
  fuse_reply_none(req);
}

void forget_multi(fuse_req_t req, size_t count, fuse_forget_data* forgets) {
  for (size_t i = 0; i < count; ++i)
    server_of(req).fs.forget(node_of(req, forgets[i].ino), forgets[i].nlookup);
  server_of(req).fs.trim();
  fuse_reply_none(req);
}

void getattr(fuse_req_t req, fuse_ino_t id, fuse_file_info*) {
  answer(req, [&](UnionFs& fs) {
    const std::shared_lock told(server_of(req).telling);
    const struct stat stat = fs.attributes(node_of(req, id));
    fuse_reply_attr(req, &stat, server_of(req).cache_seconds());
  });
}

AttributeChange change_of(const struct stat& attr, int set) {
  AttributeChange change;
  if ((set & FUSE_SET_ATTR_MODE) != 0) change.mode = attr.st_mode;
  if ((set & FUSE_SET_ATTR_UID) != 0) change.uid = attr.st_uid;
  if ((set & FUSE_SET_ATTR_GID) != 0) change.gid = attr.st_gid;
  if ((set & FUSE_SET_ATTR_SIZE) != 0) change.size = attr.st_size;
  const struct timespec now = {0, UTIME_NOW};
  if ((set & FUSE_SET_ATTR_ATIME) != 0) change.atime = attr.st_atim;
  if ((set & FUSE_SET_ATTR_MTIME) != 0) change.mtime = attr.st_mtim;
  if ((set & FUSE_SET_ATTR_ATIME_NOW) != 0) change.atime = now;
  if ((set & FUSE_SET_ATTR_MTIME_NOW) != 0) change.mtime = now;
  return change;
}

void setattr(fuse_req_t req, fuse_ino_t id, struct stat* attr, int set, fuse_file_info* info) {
  answer(req, [&](UnionFs& fs) {
    const struct stat stat =
        fs.change_attributes(node_of(req, id), change_of(*attr, set),
                             info != nullptr ? &file_of(info) : nullptr, request_flags());
    fuse_reply_attr(req, &stat, server_of(req).cache_seconds());
  });
}

void readlink(fuse_req_t req, fuse_ino_t id) {
  answer(req,
         [&](UnionFs& fs) { fuse_reply_readlink(req, fs.read_link(node_of(req, id)).c_str()); });
}

void mknod(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode, dev_t device) {
  answer(req, [&](UnionFs& fs) {
    reply_entry(req, fs.make(node_of(req, parent), name,
                             {.mode = mode, .device = device, .target = {}}, caller_of(req)));
  });
}

void mkdir(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode) {
  answer(req, [&](UnionFs& fs) {
    reply_entry(req, fs.make(node_of(req, parent), name,
                             {.mode = (mode & 07777) | S_IFDIR, .device = 0, .target = {}},
                             caller_of(req)));
  });
}

void symlink(fuse_req_t req, const char* target, fuse_ino_t parent, const char* name) {
  answer(req, [&](UnionFs& fs) {
    reply_entry(req,
                fs.make(node_of(req, parent), name,
                        {.mode = S_IFLNK | 0777, .device = 0, .target = target}, caller_of(req)));
  });
}

void unlink(fuse_req_t req, fuse_ino_t parent, const char* name) {
  answer(req, [&](UnionFs& fs) {
    fs.unlink(node_of(req, parent), name);
    fuse_reply_err(req, 0);
  });
}

void rmdir(fuse_req_t req, fuse_ino_t parent, const char* name) {
  answer(req, [&](UnionFs& fs) {
    fs.rmdir(node_of(req, parent), name);
    fuse_reply_err(req, 0);
  });
}

void rename(fuse_req_t req,
            fuse_ino_t parent,
            const char* name,
            fuse_ino_t new_parent,
            const char* new_name,
            unsigned flags) {
  answer(req, [&](UnionFs& fs) {
    constexpr unsigned kNoReplace = 1;
    constexpr unsigned kExchange = 2;
    if (flags > kExchange) fail_errno(EINVAL, "renaming with flags {}", flags);
    const RenameKind kind = flags == kNoReplace  ? RenameKind::NoReplace
                            : flags == kExchange ? RenameKind::Exchange
                                                 : RenameKind::Replace;
    fs.rename(node_of(req, parent), name, node_of(req, new_parent), new_name, kind);
    fuse_reply_err(req, 0);
  });
}

void link(fuse_req_t req, fuse_ino_t id, fuse_ino_t new_parent, const char* new_name) {
  answer(req, [&](UnionFs& fs) {
    reply_entry(req, fs.link(node_of(req, id), node_of(req, new_parent), new_name));
  });
}

void statfs(fuse_req_t req, fuse_ino_t) {
  answer(req, [&](UnionFs& fs) {
    const struct statvfs space = fs.space();
    fuse_reply_statfs(req, &space);
  });
}

void reply_value(fuse_req_t req, const std::string& value, size_t size) {
  if (size == 0)
    fuse_reply_xattr(req, value.size());
  else if (value.size() > size)
    fuse_reply_err(req, ERANGE);
  else
    fuse_reply_buf(req, value.data(), value.size());
}

bool is_branch_list(fuse_ino_t id, std::string_view key) noexcept {
  return id == FUSE_ROOT_ID && key == kBranchesXattr;
}

int get_xattr(UnionFs& fs, Node& node, fuse_ino_t id, const char* key, std::string& value) {
  if (!is_branch_list(id, key)) return fs.get_xattr(node, key, value);
  for (const BranchState& branch : fs.branch_states())
    value += format_branch_line(branch);
  return 0;
}

void getxattr(fuse_req_t req, fuse_ino_t id, const char* key, size_t size) {
  answer(req, [&](UnionFs& fs) {
    std::string value;
    const int err = get_xattr(fs, node_of(req, id), id, key, value);
    if (err != 0)
      fuse_reply_err(req, err);
    else
      reply_value(req, value, size);
  });
}

void listxattr(fuse_req_t req, fuse_ino_t id, size_t size) {
  answer(req, [&](UnionFs& fs) {
    std::string names;
    const int err = fs.list_xattrs(node_of(req, id), names);
    if (err != 0)
      fuse_reply_err(req, err);
    else
      reply_value(req, names, size);
  });
}

void setxattr(
    fuse_req_t req, fuse_ino_t id, const char* key, const char* value, size_t size, int flags) {
  answer(req, [&](UnionFs& fs) {
    if (is_branch_list(id, key)) fail_errno(EPERM, "setting {}", key);
    Node& node = node_of(req, id);
    const bool kills = std::string_view(key) == "system.posix_acl_access" &&
                       caller_of(req).uid != 0 &&
                       !is_in_group(request_flags(), fs.attributes(node).st_gid);
    fs.set_xattr(node, key, std::string_view(value, size), flags, kills);
    fuse_reply_err(req, 0);
  });
}

void removexattr(fuse_req_t req, fuse_ino_t id, const char* key) {
  answer(req, [&](UnionFs& fs) {
    if (is_branch_list(id, key)) fail_errno(EPERM, "removing {}", key);
    fs.remove_xattr(node_of(req, id), key);
    fuse_reply_err(req, 0);
  });
}

fuse_lowlevel_ops make_operations() noexcept {
  fuse_lowlevel_ops ops = {};
  add_file_operations(ops);
  add_list_operations(ops);
  ops.init = init;
  ops.lookup = lookup;
  ops.forget = forget;
  ops.forget_multi = forget_multi;
  ops.getattr = getattr;
  ops.setattr = setattr;
  ops.readlink = readlink;
  ops.mknod = mknod;
  ops.mkdir = mkdir;
  ops.symlink = symlink;
  ops.unlink = unlink;
  ops.rmdir = rmdir;
  ops.rename = rename;
  ops.link = link;
  ops.statfs = statfs;
  ops.getxattr = getxattr;
  ops.listxattr = listxattr;
  ops.setxattr = setxattr;
  ops.removexattr = removexattr;
  return ops;
}

}  // namespace

const fuse_lowlevel_ops& union_operations() noexcept {
  static const fuse_lowlevel_ops ops = make_operations();
  return ops;
}

fuse_ino_t node_id(FuseServer& server, const Node& node) noexcept {
  return &node == &server.fs.root() ? FUSE_ROOT_ID : reinterpret_cast<fuse_ino_t>(&node);
}

Node& node_by_id(FuseServer& server, fuse_ino_t id) noexcept {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel keeps the pointer for us
  return id == FUSE_ROOT_ID ? server.fs.root() : *reinterpret_cast<Node*>(id);
}

}  // namespace layerkit
