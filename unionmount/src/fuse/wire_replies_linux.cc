#include <fcntl.h>

#include <utility>

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
  if (!handle.fails_at_close) out.open_flags |= FOPEN_NOFLUSH;
  return out;
}

CreateReply create_reply(FuseServer& server, UnionFs::Created& created) {
  server.backing_files.open(*created.handle);
  CreateReply out = {};
  out.entry.nodeid = node_id(server, *created.reply.node);
  out.entry.generation = created.reply.node->generation;
  out.entry.attr = wire_attributes(created.reply.stat);
  out.entry.entry_valid = static_cast<std::uint64_t>(server.cache_seconds());
  out.entry.attr_valid = out.entry.entry_valid;
  out.open = open_reply(*created.handle);
  return out;
}

void take_back(FuseServer& server, UnionFs::Created created) {
  server.backing_files.close(*created.handle);
  server.fs.close(std::move(created.handle));
  server.fs.forget(*created.reply.node, 1);
}

}  // namespace layerkit
