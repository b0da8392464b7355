#pragma once

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include "backing_files.h"
#include "listing_demand.h"
#include "request_flags.h"
#include "tree_lock.h"
#include "union_fs.h"

namespace layerkit {

/// What the operations of libfuse get as user data.
struct FuseServer {
  UnionFs& fs;
  WireFeatures features;
  BackingFiles backing_files;
  ListingDemand listing_demand;
  bool writeback = false;
  /// Nobody changes the union: files and directories are not opened here, but read by node.
  bool is_immutable = false;
  /// Held shared from a look to the answer of it that the kernel may keep, exclusively while
  /// branches change: whatever was said before is with the kernel when it is told what to forget.
  TreeLock telling = {};

  /// How long the kernel may believe what it was told of names and attributes.
  double cache_seconds() const noexcept {
    constexpr double kDay = 86400;
    return fs.may_be_cached() ? kDay : 0;
  }
};

/// libfuse's operations over a UnionFs.
const fuse_lowlevel_ops& union_operations() noexcept;

/// The kernel's name for a node, and back.
fuse_ino_t node_id(FuseServer& server, const Node& node) noexcept;
Node& node_by_id(FuseServer& server, fuse_ino_t id) noexcept;

/// Answers what libfuse 3.14 has no operation for: FUSE_TMPFILE. A RawHandler; `user` is the
/// FuseServer.
bool answer_raw_request(int device, const void* request, std::size_t size, void* user);

}  // namespace layerkit
