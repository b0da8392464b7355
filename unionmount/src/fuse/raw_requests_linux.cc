#include <linux/fuse.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "file_at.h"
#include "layerkit/base/error.h"

// After the kernel's own header.
#include "fuse_server.h"

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

struct CreateReply {
  fuse_entry_out entry;
  fuse_open_out open;
};

void reply(int device, std::uint64_t unique, int err, void* body, std::size_t size) {
  fuse_out_header header = {};
  header.unique = unique;
  header.error = -err;
  header.len = static_cast<std::uint32_t>(sizeof header + (err == 0 ? size : 0));
  const iovec parts[2] = {{&header, sizeof header}, {body, size}};
  [[maybe_unused]] const ssize_t written = ::writev(device, parts, err == 0 ? 2 : 1);
}

/// FUSE_TMPFILE: asked as FUSE_CREATE is, answered alike.
CreateReply make_nameless(FuseServer& server,
                          const fuse_in_header& header,
                          const fuse_create_in& request) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel keeps the pointer for us
  Node& parent =
      header.nodeid == FUSE_ROOT_ID ? server.fs.root() : *reinterpret_cast<Node*>(header.nodeid);
  UnionFs::Created created =
      server.fs.make_nameless(parent, request.mode, static_cast<int>(request.flags),
                              {header.uid, header.gid, request.umask});
  CreateReply out = {};
  out.entry.nodeid = node_id(server, *created.reply.node);
  out.entry.generation = created.reply.node->generation;
  out.entry.attr = wire_attributes(created.reply.stat);
  out.entry.entry_valid = static_cast<std::uint64_t>(server.cache_seconds);
  out.entry.attr_valid = out.entry.entry_valid;
  out.open.fh = reinterpret_cast<std::uint64_t>(created.handle.release());
  out.open.open_flags = FOPEN_KEEP_CACHE;
  return out;
}

}  // namespace

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
  try {
    out = make_nameless(server, header, create);
  } catch (const Error& error) {
    err = error.sys_errno() != 0 ? error.sys_errno() : EIO;
  } catch (...) {
    err = ENOMEM;
  }
  reply(device, header.unique, err, &out, sizeof out);
  return true;
}

}  // namespace layerkit
