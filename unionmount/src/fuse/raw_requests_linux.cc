#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "file_at.h"
#include "kernel_order.h"
#include "layerkit/base/error.h"

// After the kernel's own header.
#include "wire_replies.h"

namespace layerkit {
namespace {

bool reply(int device, std::uint64_t unique, int err, void* body, std::size_t size) {
  fuse_out_header header = {};
  header.unique = unique;
  header.error = -err;
  header.len = static_cast<std::uint32_t>(sizeof header + (err == 0 ? size : 0));
  const iovec parts[2] = {{&header, sizeof header}, {body, size}};
  before_reply();
  return ::writev(device, parts, err == 0 ? 2 : 1) >= 0 && err == 0;
}

/// FUSE_TMPFILE: asked as FUSE_CREATE is, answered alike.
CreateReply make_nameless(FuseServer& server,
                          const fuse_in_header& header,
                          const fuse_create_in& request,
                          UnionFs::Created& created) {
  created = server.fs.make_nameless(node_by_id(server, header.nodeid), request.mode,
                                    static_cast<int>(request.flags),
                                    {header.uid, header.gid, request.umask});
  return create_reply(server, created);
}

}  // namespace

bool answer_raw_request(int device, const void* request, std::size_t size, void* user) {
  auto& server = *static_cast<FuseServer*>(user);
  fuse_in_header header = {};
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
