#pragma once

#include "fuse_server.h"

namespace layerkit {

/// Makes the kernel ask again for what it remembers. Names are expired, not dropped, where the
/// kernel can (Linux 6.2): a process may be in a directory whose name is looked up again, and file
/// systems may be mounted there.
/// REQUIRES: no lock of ours; the kernel may wait for a request.
void tell_kernel(FuseServer& server, fuse_session* session, const UnionFs::Outdated& outdated);

}  // namespace layerkit
