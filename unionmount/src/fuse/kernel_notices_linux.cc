#include <linux/fuse.h>
#include <sys/uio.h>

#include <array>

#include "kernel_notices.h"

namespace layerkit {
namespace {

// What libfuse has for it takes other arguments in each version.
void expire_name(fuse_session* session, fuse_ino_t parent, const std::string& name) {
  fuse_notify_inval_entry_out what = {};
  what.parent = parent;
  what.namelen = static_cast<std::uint32_t>(name.size());
  what.flags = FUSE_EXPIRE_ONLY;
  fuse_out_header header = {};
  header.error = FUSE_NOTIFY_INVAL_ENTRY;
  header.len = static_cast<std::uint32_t>(sizeof header + sizeof what + name.size() + 1);
  const std::array<iovec, 3> parts = {{{&header, sizeof header},
                                       {&what, sizeof what},
                                       {const_cast<char*>(name.c_str()), name.size() + 1}}};
  // ENOENT: the kernel does not know the name.
  [[maybe_unused]] const ssize_t written =
      ::writev(fuse_session_fd(session), parts.data(), static_cast<int>(parts.size()));
}

}  // namespace

void tell_kernel(FuseServer& server, fuse_session* session, const UnionFs::Outdated& outdated) {
  constexpr off_t kAttributesAlone = -1;
  for (const UnionFs::Outdated::Name& item : outdated.names)
    expire_name(session, node_id(server, *item.parent), item.name);
  for (const Node* directory : outdated.directories)
    fuse_lowlevel_notify_inval_inode(session, node_id(server, *directory), 0, 0);
  // What the kernel holds of the data goes when times or size turn out to be others.
  for (const Node* file : outdated.files)
    fuse_lowlevel_notify_inval_inode(session, node_id(server, *file), kAttributesAlone, 0);
}

}  // namespace layerkit
