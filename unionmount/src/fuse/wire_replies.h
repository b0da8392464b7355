#pragma once

#include <linux/fuse.h>

#include "fuse_server.h"

namespace layerkit {

// Answers that libfuse 3.14 cannot give: a backing file has no place in its structures.

using OpenReply = fuse_open_out;

struct CreateReply {
  fuse_entry_out entry;
  fuse_open_out open;
};

/// The handle's address and how the kernel reads and writes it, after BackingFiles::open.
OpenReply open_reply(FileHandle& handle) noexcept;

/// Registers a new file for passthrough and says all that the kernel wants to know of it.
CreateReply create_reply(FuseServer& server, UnionFs::Created& created);

/// Undoes an answer that did not arrive.
void take_back(FuseServer& server, UnionFs::Created created);

}  // namespace layerkit
