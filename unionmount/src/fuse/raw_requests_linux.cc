#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "file_at.h"
#include "layerkit/base/error.h"

// After the kernel's own header.
#include "wire_replies.h"

namespace layerkit {
namespace {

fuse_attr wire_attributes(const struct stat& stat) {
  fuse_attr attr = {};
  attr.ino = stat.st_ino;
  attr.size = static_cast<std::uint64_t>(stat.st_size);
  attr.blocks = static_cast<std::uint64_t>(stat.st_blocks);
  attr.atime = static_cast<std::uint64_t>(stat.st_atim.tv_sec);
  attr.mtime = static_cast<std::uint64_t>(stat.st_mtim.tv_sec);
  attr.ctime = static_cast<std::uint64_t>(stat.st_ctim.tv_sec);
  attr.atimensec = static_cast<std::uint32_t>(stat.st_atim.tv_nsec);
  attr.mtimensec = static_cast<std::uint32_t>(stat.st_mtim.tv_nsec);
  attr.ctimensec = static_cast<std::uint32_t>(stat.st_ctim.tv_nsec);
  attr.mode = stat.st_mode;
  attr.nlink = static_cast<std::uint32_t>(stat.st_nlink);
  attr.uid = stat.st_uid;
  attr.gid = stat.st_gid;
  attr.blksize = static_cast<std::uint32_t>(stat.st_blksize);
  return attr;
}

bool reply(int device, std::uint64_t unique, int err, void* body, std::size_t size) {
  fuse_out_header header = {};
  header.unique = unique;
  header.error = -err;
  header.len = static_cast<std::uint32_t>(sizeof header + (err == 0 ? size : 0));
  const iovec parts[2] = {{&header, sizeof header}, {body, size}};
  return ::writev(device, parts, err == 0 ? 2 : 1) >= 0 && err == 0;
}

/// FUSE_TMPFILE: asked as FUSE_CREATE is, answered alike.
CreateReply make_nameless(FuseServer& server,
                          const fuse_in_header& header,
                          const fuse_create_in& request,
                          UnionFs::Created& created) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel keeps the pointer for us
  Node& parent =
      header.nodeid == FUSE_ROOT_ID ? server.fs.root() : *reinterpret_cast<Node*>(header.nodeid);
  created = server.fs.make_nameless(parent, request.mode, static_cast<int>(request.flags),
                                    {header.uid, header.gid, request.umask});
  return create_reply(server, created);
}

}  // namespace

OpenReply open_reply(FileHandle& handle) noexcept {
  constexpr std::uint32_t kPassthrough = 1U << 7;  // FOPEN_PASSTHROUGH, Linux 6.9
  OpenReply out = {};
  out.fh = reinterpret_cast<std::uint64_t>(&handle);
  if (handle.backing_id != 0) {
    out.open_flags = kPassthrough;
    out.padding = handle.backing_id;
  } else {
    // Nobody but the union changes the file; or what others changed shows in its times.
    out.open_flags = FOPEN_KEEP_CACHE;
  }
  if ((handle.flags & O_ACCMODE) == O_RDONLY) out.open_flags |= FOPEN_NOFLUSH;
  return out;
}

CreateReply create_reply(FuseServer& server, UnionFs::Created& created) {
  server.backing_files.open(*created.handle);
  CreateReply out = {};
  out.entry.nodeid = node_id(server, *created.reply.node);
  out.entry.generation = created.reply.node->generation;
  out.entry.attr = wire_attributes(created.reply.stat);
  out.entry.entry_valid = static_cast<std::uint64_t>(server.cache_seconds);
  out.entry.attr_valid = out.entry.entry_valid;
  out.open = open_reply(*created.handle);
  return out;
}

void take_back(FuseServer& server, UnionFs::Created created) {
  server.backing_files.close(*created.handle);
  server.fs.close(std::move(created.handle));
  server.fs.forget(*created.reply.node, 1);
}

bool answer_raw_request(int device, const void* request, std::size_t size, void* user) {
  auto& server = *static_cast<FuseServer*>(user);
  fuse_in_header header;
  std::memcpy(&header, request, sizeof header);
  if (header.opcode != FUSE_TMPFILE) return false;
  fuse_create_in create = {};
  if (size < sizeof header + sizeof create) return false;
  std::memcpy(&create, static_cast<const char*>(request) + sizeof header, sizeof create);
  prepare_server_thread();
  int err = 0;
  CreateReply out = {};
  UnionFs::Created created;
  try {
    out = make_nameless(server, header, create, created);
  } catch (const Error& error) {
    err = error.sys_errno() != 0 ? error.sys_errno() : EIO;
  } catch (...) {
    err = ENOMEM;
  }
  if (reply(device, header.unique, err, &out, sizeof out))
    created.handle.release();  // NOLINT(bugprone-unused-return-value): the kernel has it
  else if (err == 0)
    take_back(server, std::move(created));
  return true;
}

}  // namespace layerkit
