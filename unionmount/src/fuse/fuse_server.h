#pragma once

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include "backing_files.h"
#include "request_flags.h"
#include "union_fs.h"

namespace layerkit {

/// What the operations of libfuse get as user data.
struct FuseServer {
  UnionFs& fs;
  WireFeatures features;
  BackingFiles backing_files;
  bool writeback = false;
  /// Nobody changes the union: files and directories are not opened here, but read by node.
  bool is_immutable = false;
  double cache_seconds = 0;  ///< how long the kernel may keep names and attributes
};

/// libfuse's operations over a UnionFs.
const fuse_lowlevel_ops& union_operations() noexcept;

/// The kernel's name for a node.
fuse_ino_t node_id(FuseServer& server, const Node& node) noexcept;

/// Answers what libfuse 3.14 has no operation for: FUSE_TMPFILE. A RawHandler; `user` is the
/// FuseServer.
bool answer_raw_request(int device, const void* request, std::size_t size, void* user);

}  // namespace layerkit
