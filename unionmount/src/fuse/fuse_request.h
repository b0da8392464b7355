#pragma once

#include <cerrno>
#include <new>
#include <utility>

#include "file_at.h"
#include "fuse_server.h"
#include "layerkit/base/error.h"

namespace layerkit {

// What the operations have in common: what a request means, and how it is answered.

inline FuseServer& server_of(fuse_req_t req) noexcept {
  return *static_cast<FuseServer*>(fuse_req_userdata(req));
}

inline Node& node_of(fuse_req_t req, fuse_ino_t id) noexcept {
  return node_by_id(server_of(req), id);
}

inline FileHandle& file_of(const fuse_file_info* info) noexcept {
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  return *reinterpret_cast<FileHandle*>(info->fh);
}

inline DirectoryHandle& directory_of(const fuse_file_info* info) noexcept {
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  return *reinterpret_cast<DirectoryHandle*>(info->fh);
}

inline Caller caller_of(fuse_req_t req) noexcept {
  const fuse_ctx* context = fuse_req_ctx(req);
  return {context->uid, context->gid, context->umask};
}

/// Answers once that an operation is not needed: the kernel does not ask again.
inline bool is_needless(fuse_req_t req) noexcept {
  if (!server_of(req).is_immutable) return false;
  fuse_reply_err(req, ENOSYS);
  return true;
}

/// Runs an operation; what it throws is the answer.
template <typename Work>
void answer(fuse_req_t req, Work&& work) noexcept {
  prepare_server_thread();
  int err = 0;
  try {
    work(server_of(req).fs);
    return;
  } catch (const Error& error) {
    err = error.sys_errno() != 0 ? error.sys_errno() : EIO;
  } catch (const std::bad_alloc&) {
    err = ENOMEM;
  } catch (...) {
    err = EIO;
  }
  fuse_reply_err(req, err);
}

[[noreturn]] inline void fail_now(const char* doing) {
  const int err = errno;
  fail_errno(err, "{}", doing);
}

inline fuse_entry_param entry_of(FuseServer& server, const NodeReply& reply) {
  fuse_entry_param entry = {};
  entry.ino = node_id(server, *reply.node);
  entry.generation = reply.node->generation;
  entry.attr = reply.stat;
  entry.attr_timeout = server.cache_seconds();
  entry.entry_timeout = server.cache_seconds();
  return entry;
}

inline void reply_entry(fuse_req_t req, const NodeReply& reply) {
  FuseServer& server = server_of(req);
  const fuse_entry_param entry = entry_of(server, reply);
  // A caller who has gone does not get the reference either.
  if (fuse_reply_entry(req, &entry) != 0) server.fs.forget(*reply.node, 1);
}

// The operations are in three files; the others add theirs.
void add_file_operations(fuse_lowlevel_ops& ops) noexcept;
void add_list_operations(fuse_lowlevel_ops& ops) noexcept;

}  // namespace layerkit
