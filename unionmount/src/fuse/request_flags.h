#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

struct fuse_session;
struct fuse_custom_io;

namespace layerkit {

/// What a request says that libfuse does not pass on. Valid on the thread that answers it.
struct RequestFlags {
  /// The caller lacks CAP_FSETID: setuid and setgid bits are to go (FUSE_WRITE_KILL_SUIDGID and
  /// its like).
  bool kills_setid_bits = false;
  gid_t gid = 0;  ///< the caller's
  pid_t pid = 0;  ///< 0: not seen from here
};
RequestFlags& request_flags() noexcept;

/// What the connection agreed on beyond libfuse's knowledge.
struct WireFeatures {
  bool wants_passthrough = false;  ///< in: ask for it
  bool passthrough = false;        ///< out: the kernel agreed
};

struct WireHooks {
  /// A request that libfuse has no operation for. Returns false for one that is libfuse's to
  /// answer.
  bool (*answer)(int device, const void* request, std::size_t size, void* user) = nullptr;
  /// The connection is gone; called by each thread that learns it.
  void (*gone)(void* user) = nullptr;
  void* user = nullptr;
};

/// Reads and writes the device for libfuse: fills request_flags(), asks the kernel for
/// FUSE_HANDLE_KILLPRIV_V2 and passthrough in the answer to INIT, and calls `hooks`. One per
/// process.
fuse_custom_io wire_io(WireFeatures& features, const WireHooks& hooks);

}  // namespace layerkit
