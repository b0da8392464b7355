#include <dirent.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "file_at.h"
#include "fuse_server.h"
#include "layerkit/base/error.h"
#include "setid_change.h"
#include "wire_replies.h"

namespace layerkit {
namespace {

FuseServer& server_of(fuse_req_t req) noexcept {
  return *static_cast<FuseServer*>(fuse_req_userdata(req));
}

Node& node_of(fuse_req_t req, fuse_ino_t id) noexcept {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel keeps the pointer for us
  return id == FUSE_ROOT_ID ? server_of(req).fs.root() : *reinterpret_cast<Node*>(id);
}

FileHandle& file_of(const fuse_file_info* info) noexcept {
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  return *reinterpret_cast<FileHandle*>(info->fh);
}

DirectoryHandle& directory_of(const fuse_file_info* info) noexcept {
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  return *reinterpret_cast<DirectoryHandle*>(info->fh);
}

/// The descriptor that a request on an open file means.
class RequestFile final {
 public:
  RequestFile(fuse_req_t req, fuse_ino_t id, const fuse_file_info* info) {
    if (info->fh == 0)
      shared_ = server_of(req).fs.shared_file(node_of(req, id));
    else
      own_ = server_of(req).fs.readable_fd(file_of(info));
  }
  int fd() const noexcept { return shared_ != nullptr ? shared_->get() : own_; }

 private:
  std::shared_ptr<const Fd> shared_;
  int own_ = -1;
};

Caller caller_of(fuse_req_t req) noexcept {
  const fuse_ctx* context = fuse_req_ctx(req);
  return {context->uid, context->gid, context->umask};
}

/// Answers once that an operation is not needed: the kernel does not ask again.
bool is_needless(fuse_req_t req) noexcept {
  if (!server_of(req).is_immutable) return false;
  fuse_reply_err(req, ENOSYS);
  return true;
}

/// Runs an operation; what it throws is the answer.
template <typename Work>
void answer(fuse_req_t req, Work&& work) noexcept {
  prepare_server_thread();
  int err = 0;
  try {
    work(server_of(req).fs);
    return;
  } catch (const Error& error) {
    err = error.sys_errno() != 0 ? error.sys_errno() : EIO;
  } catch (const std::bad_alloc&) {
    err = ENOMEM;
  } catch (...) {
    err = EIO;
  }
  fuse_reply_err(req, err);
}

[[noreturn]] void fail_now(const char* doing) {
  const int err = errno;
  fail_errno(err, "{}", doing);
}

fuse_entry_param entry_of(FuseServer& server, const NodeReply& reply) {
  fuse_entry_param entry = {};
  entry.ino = node_id(server, *reply.node);
  entry.generation = reply.node->generation;
  entry.attr = reply.stat;
  entry.attr_timeout = server.cache_seconds();
  entry.entry_timeout = server.cache_seconds();
  return entry;
}

void reply_entry(fuse_req_t req, const NodeReply& reply) {
  FuseServer& server = server_of(req);
  const fuse_entry_param entry = entry_of(server, reply);
  // A caller who has gone does not get the reference either.
  if (fuse_reply_entry(req, &entry) != 0) server.fs.forget(*reply.node, 1);
}

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
    const std::optional<NodeReply> reply = fs.lookup(node_of(req, parent), name);
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
  fuse_reply_none(req);
}

void getattr(fuse_req_t req, fuse_ino_t id, fuse_file_info*) {
  answer(req, [&](UnionFs& fs) {
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

/// Decides how the kernel reads and writes the open file. Throws ESTALE when the node cannot have
/// it: the kernel looks the name up again and gets a node that can.
void pass_through(FuseServer& server, FileHandle& handle) {
  Node& node = *handle.node;
  if (server.backing_files.open(handle) != BackingFiles::Opened::Conflict) return;
  server.fs.split_off(node, *node.backing.branch);
  fail_errno(ESTALE, "opening a file that is read elsewhere on another branch");
}

void open(fuse_req_t req, fuse_ino_t id, fuse_file_info* info) {
  if (is_needless(req)) return;
  answer(req, [&](UnionFs& fs) {
    std::unique_ptr<FileHandle> handle = fs.open(node_of(req, id), info->flags, request_flags());
    try {
      pass_through(server_of(req), *handle);
    } catch (const Error&) {
      fs.close(std::move(handle));
      throw;
    }
    const OpenReply out = open_reply(*handle);
    if (fuse_reply_buf(req, reinterpret_cast<const char*>(&out), sizeof out) == 0) {
      handle.release();  // NOLINT(bugprone-unused-return-value): the kernel has it
      return;
    }
    server_of(req).backing_files.close(*handle);
    fs.close(std::move(handle));
  });
}

void create(
    fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode, fuse_file_info* info) {
  answer(req, [&](UnionFs& fs) {
    UnionFs::Created created =
        fs.create(node_of(req, parent), name, mode, info->flags, caller_of(req), request_flags());
    const CreateReply out = create_reply(server_of(req), created);
    if (fuse_reply_buf(req, reinterpret_cast<const char*>(&out), sizeof out) == 0)
      created.handle.release();  // NOLINT(bugprone-unused-return-value)
    else
      take_back(server_of(req), std::move(created));
  });
}

void release(fuse_req_t req, fuse_ino_t, fuse_file_info* info) {
  answer(req, [&](UnionFs& fs) {
    std::unique_ptr<FileHandle> handle(&file_of(info));
    server_of(req).backing_files.close(*handle);
    fs.close(std::move(handle));
    fuse_reply_err(req, 0);
  });
}

void read(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset, fuse_file_info* info) {
  answer(req, [&](UnionFs&) {
    thread_local std::vector<char> buffer;
    if (buffer.size() < size) buffer.resize(size);
    const ssize_t got = ::pread(RequestFile(req, id, info).fd(), buffer.data(), size, offset);
    if (got < 0) fail_now("reading a file");
    fuse_reply_buf(req, buffer.data(), static_cast<std::size_t>(got));
  });
}

void write(
    fuse_req_t req, fuse_ino_t, const char* data, size_t size, off_t offset, fuse_file_info* info) {
  answer(req, [&](UnionFs& fs) {
    const int fd = fs.readable_fd(file_of(info));
    const SetidChange change(request_flags(), fd);
    const ssize_t put = ::pwrite(fd, data, size, offset);
    if (put < 0) fail_now("writing a file");
    change.settle(fd);
    fuse_reply_write(req, static_cast<std::size_t>(put));
  });
}

void flush(fuse_req_t req, fuse_ino_t, fuse_file_info* info) {
  if (is_needless(req)) return;
  answer(req, [&](UnionFs&) {
    // Errors of a network file system come at close(2).
    const int copy = ::fcntl(file_of(info).fd.load(), F_DUPFD_CLOEXEC, 0);
    if (copy < 0 || ::close(copy) != 0) fail_now("closing a file");
    fuse_reply_err(req, 0);
  });
}

void fsync(fuse_req_t req, fuse_ino_t, int data_only, fuse_file_info* info) {
  answer(req, [&](UnionFs& fs) {
    fs.sync_file(file_of(info), data_only != 0 ? UnionFs::SyncWhat::Data : UnionFs::SyncWhat::All);
    fuse_reply_err(req, 0);
  });
}

void fallocate(
    fuse_req_t req, fuse_ino_t, int mode, off_t offset, off_t length, fuse_file_info* info) {
  answer(req, [&](UnionFs& fs) {
    const int fd = fs.readable_fd(file_of(info));
    const SetidChange change(request_flags(), fd);
    if (::fallocate(fd, mode, offset, length) != 0) fail_now("allocating space");
    change.settle(fd);
    fuse_reply_err(req, 0);
  });
}

void copy_file_range(fuse_req_t req,
                     fuse_ino_t,
                     off_t from,
                     fuse_file_info* in,
                     fuse_ino_t,
                     off_t to,
                     fuse_file_info* out,
                     size_t size,
                     int flags) {
  answer(req, [&](UnionFs& fs) {
    const int fd = fs.readable_fd(file_of(out));
    const SetidChange change(request_flags(), fd);
    const ssize_t put = ::copy_file_range(fs.readable_fd(file_of(in)), &from, fd, &to, size,
                                          static_cast<unsigned>(flags));
    if (put < 0) fail_now("copying a range");
    change.settle(fd);
    fuse_reply_write(req, static_cast<std::size_t>(put));
  });
}

void lseek(fuse_req_t req, fuse_ino_t id, off_t offset, int whence, fuse_file_info* info) {
  answer(req, [&](UnionFs&) {
    const off_t at = ::lseek(RequestFile(req, id, info).fd(), offset, whence);
    if (at < 0) fail_now("seeking");
    fuse_reply_lseek(req, at);
  });
}

void opendir(fuse_req_t req, fuse_ino_t id, fuse_file_info* info) {
  if (is_needless(req)) return;
  answer(req, [&](UnionFs& fs) {
    std::unique_ptr<DirectoryHandle> handle = fs.open_directory(node_of(req, id));
    info->fh = reinterpret_cast<std::uint64_t>(handle.get());
    if (server_of(req).cache_seconds() > 0) {
      info->cache_readdir = 1;
      info->keep_cache = 1;
    }
    if (fuse_reply_open(req, info) == 0)
      handle.release();  // NOLINT(bugprone-unused-return-value)
    else
      fs.close_directory(std::move(handle));
  });
}

void releasedir(fuse_req_t req, fuse_ino_t, fuse_file_info* info) {
  answer(req, [&](UnionFs& fs) {
    fs.close_directory(std::unique_ptr<DirectoryHandle>(&directory_of(info)));
    fuse_reply_err(req, 0);
  });
}

/// Fills one buffer of a listing.
class ListingReply final {
 public:
  ListingReply(fuse_req_t req, size_t size) : req_(req), buffer_(size) {}

  bool add(const char* name, const struct stat& stat, std::size_t next) {
    return keep(fuse_add_direntry(req_, rest(), left(), name, &stat, static_cast<off_t>(next)));
  }
  bool add_plus(const char* name, const fuse_entry_param& entry, std::size_t next) {
    return keep(
        fuse_add_direntry_plus(req_, rest(), left(), name, &entry, static_cast<off_t>(next)));
  }
  void send() { fuse_reply_buf(req_, buffer_.data(), used_); }

 private:
  char* rest() noexcept { return buffer_.data() + used_; }
  std::size_t left() const noexcept { return buffer_.size() - used_; }
  bool keep(std::size_t needed) noexcept {
    if (needed > left()) return false;
    used_ += needed;
    return true;
  }

  fuse_req_t req_;
  std::vector<char> buffer_;
  std::size_t used_ = 0;
};

struct stat listed(const MergedList::Item& item) {
  struct stat stat = {};
  stat.st_ino = item.ino;
  stat.st_mode = DTTOIF(item.type);
  return stat;
}

/// The handle of a request that reads a directory, with its list; `stateless` where it was never
/// opened.
DirectoryHandle& opened_directory(fuse_req_t req,
                                  fuse_ino_t id,
                                  const fuse_file_info* info,
                                  off_t offset,
                                  DirectoryHandle& stateless) {
  UnionFs& fs = server_of(req).fs;
  if (info->fh == 0) {
    stateless.node = &node_of(req, id);
    stateless.list = fs.shared_list(*stateless.node);
    stateless.revision = stateless.node->revision.load();
    return stateless;
  }
  DirectoryHandle& handle = directory_of(info);
  fs.list(handle, offset == 0);
  return handle;
}

void readdir(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset, fuse_file_info* info) {
  answer(req, [&](UnionFs& fs) {
    DirectoryHandle stateless;
    DirectoryHandle& handle = opened_directory(req, id, info, offset, stateless);
    const auto& list = handle.list;
    ListingReply reply(req, size);
    for (auto i = static_cast<std::size_t>(offset); i < list->size(); ++i) {
      struct stat stat = listed((*list)[i]);
      const std::string name(list->name(i));
      if ((*list)[i].is_merged) {
        // Its number is that of the lowest part.
        if (const auto merged = fs.lookup(*handle.node, name)) {
          stat.st_ino = merged->stat.st_ino;
          fs.forget(*merged->node, 1);
        }
      }
      if (!reply.add(name.c_str(), stat, i + 1)) break;
    }
    reply.send();
  });
}

void readdirplus(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset, fuse_file_info* info) {
  answer(req, [&](UnionFs& fs) {
    DirectoryHandle stateless;
    DirectoryHandle& handle = opened_directory(req, id, info, offset, stateless);
    const auto& list = handle.list;
    ListingReply reply(req, size);
    for (auto i = static_cast<std::size_t>(offset); i < list->size(); ++i) {
      const std::string name(list->name(i));
      std::optional<NodeReply> found;
      if ((*list)[i].branch != nullptr) found = fs.lookup_listed(handle, i);
      fuse_entry_param entry = {};
      if (found)
        entry = entry_of(server_of(req), *found);
      else
        entry.attr = listed((*list)[i]);
      if (reply.add_plus(name.c_str(), entry, i + 1)) continue;
      if (found) fs.forget(*found->node, 1);
      break;
    }
    reply.send();
  });
}

void fsyncdir(fuse_req_t req, fuse_ino_t id, int, fuse_file_info*) {
  answer(req, [&](UnionFs& fs) {
    fs.sync_directory(node_of(req, id));
    fuse_reply_err(req, 0);
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

void getxattr(fuse_req_t req, fuse_ino_t id, const char* key, size_t size) {
  answer(req, [&](UnionFs& fs) {
    std::string value;
    const int err = fs.get_xattr(node_of(req, id), key, value);
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
    fs.remove_xattr(node_of(req, id), key);
    fuse_reply_err(req, 0);
  });
}

fuse_lowlevel_ops make_operations() noexcept {
  fuse_lowlevel_ops ops = {};
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
  ops.open = open;
  ops.create = create;
  ops.release = release;
  ops.read = read;
  ops.write = write;
  ops.flush = flush;
  ops.fsync = fsync;
  ops.fallocate = fallocate;
  ops.copy_file_range = copy_file_range;
  ops.lseek = lseek;
  ops.opendir = opendir;
  ops.releasedir = releasedir;
  ops.readdir = readdir;
  ops.readdirplus = readdirplus;
  ops.fsyncdir = fsyncdir;
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

}  // namespace layerkit
