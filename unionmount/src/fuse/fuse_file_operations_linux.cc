// Operations on open files.

#include <fcntl.h>
#include <unistd.h>

#include <utility>

#include "fuse_request.h"
#include "setid_change.h"
#include "wire_replies.h"

namespace layerkit {
namespace {

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
    } catch (...) {
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

// NOLINTNEXTLINE(readability-function-size): the parameters are libfuse's
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

}  // namespace

void add_file_operations(fuse_lowlevel_ops& ops) noexcept {
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
}

}  // namespace layerkit
