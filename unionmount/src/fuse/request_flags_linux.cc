#include <linux/fuse.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <vector>

#include "kernel_order.h"
#include "layerkit/base/error.h"
#include "request_flags.h"

// After the kernel's own header: both describe the same structures.
#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

namespace layerkit {
namespace {

// linux/fuse.h of Debian 12 ends before these.
constexpr std::uint32_t kInitExt = 1U << 30;
constexpr std::uint32_t kPassthrough2 = 1U << 5;  // bit 37 of the 64
constexpr std::size_t kStackDepthOffset = 36;     // fuse_init_out.max_stack_depth

/// The state of the process's one connection.
struct Wire {
  WireFeatures* features = nullptr;
  WireHooks hooks;
  std::atomic<std::uint64_t> init_unique{0};
  std::uint32_t offered = 0;  ///< by the kernel
  std::uint32_t offered2 = 0;
};
Wire wire;

template <typename T>
T body_of(const void* request, std::size_t size) noexcept {
  T body = {};
  if (size > sizeof(fuse_in_header))
    std::memcpy(&body, static_cast<const char*>(request) + sizeof(fuse_in_header),
                std::min(sizeof body, size - sizeof(fuse_in_header)));
  return body;
}

void note_init(const fuse_in_header& header, const void* request, std::size_t size) {
  const auto init = body_of<fuse_init_in>(request, size);
  wire.offered = init.flags;
  wire.offered2 = (init.flags & kInitExt) != 0 ? init.flags2 : 0;
  wire.init_unique = header.unique;
}

void note_flags(const fuse_in_header& header, const void* request, std::size_t size) {
  RequestFlags& flags = request_flags();
  flags.gid = header.gid;
  flags.pid = static_cast<pid_t>(header.pid);
  switch (header.opcode) {
    case FUSE_WRITE:
      flags.kills_setid_bits =
          (body_of<fuse_write_in>(request, size).write_flags & FUSE_WRITE_KILL_SUIDGID) != 0;
      break;
    case FUSE_SETATTR:
      flags.kills_setid_bits =
          (body_of<fuse_setattr_in>(request, size).valid & FATTR_KILL_SUIDGID) != 0;
      break;
    case FUSE_OPEN:
      flags.kills_setid_bits =
          (body_of<fuse_open_in>(request, size).open_flags & FUSE_OPEN_KILL_SUIDGID) != 0;
      break;
    case FUSE_CREATE:
      flags.kills_setid_bits =
          (body_of<fuse_create_in>(request, size).open_flags & FUSE_OPEN_KILL_SUIDGID) != 0;
      break;
    case FUSE_FALLOCATE:
    case FUSE_COPY_FILE_RANGE:
      // These do not say it.
      flags.kills_setid_bits = header.uid != 0;
      break;
    case FUSE_INIT:
      note_init(header, request, size);
      break;
    default:
      break;
  }
}

/// What libfuse is told of a read that failed: to try again, or that the connection has ended. Of
/// all else it would complain on stderr, in a thread that is cancelled with stderr's lock in its
/// hands; ECONNABORTED, for one, is what an unmount beside a request gives.
int end_or_retry(int err) noexcept {
  if (err == EINTR || err == EAGAIN || err == ENOENT) return err;
  if (wire.hooks.gone != nullptr) wire.hooks.gone(wire.hooks.user);
  return ENODEV;
}

ssize_t read_request(int device, void* buffer, size_t size, void*) {
  for (;;) {
    const ssize_t got = ::read(device, buffer, size);
    if (got < static_cast<ssize_t>(sizeof(fuse_in_header))) {
      errno = got < 0 ? end_or_retry(errno) : EIO;
      return got;
    }
    after_request();
    fuse_in_header header = {};
    std::memcpy(&header, buffer, sizeof header);
    const auto bytes = static_cast<std::size_t>(got);
    note_flags(header, buffer, bytes);
    if (wire.hooks.answer == nullptr || !wire.hooks.answer(device, buffer, bytes, wire.hooks.user))
      return got;
  }
}

/// libfuse 3.14 knows 32 flags and not these.
void add_features(std::array<char, sizeof(fuse_init_out)>& out) {
  fuse_init_out init = {};
  std::memcpy(&init, out.data(), sizeof init);
  init.flags |= wire.offered & FUSE_HANDLE_KILLPRIV_V2;
  const bool passthrough = wire.features->wants_passthrough && (wire.offered2 & kPassthrough2) != 0;
  if (passthrough) {
    init.flags |= kInitExt;
    init.flags2 |= kPassthrough2;
  }
  std::memcpy(out.data(), &init, sizeof init);
  // Files of ordinary file systems back ours; an overlay may still be mounted over us.
  const std::uint32_t depth = 1;
  if (passthrough) std::memcpy(out.data() + kStackDepthOffset, &depth, sizeof depth);
  wire.features->passthrough = passthrough;
}

ssize_t write_reply(int device, iovec* iov, int count, void*) {
  fuse_out_header header = {};
  std::memcpy(&header, iov[0].iov_base, sizeof header);
  std::uint64_t init = wire.init_unique.load(std::memory_order_relaxed);
  if (init != 0 && header.unique == init && count == 2 && header.error == 0 &&
      iov[1].iov_len >= sizeof(fuse_init_out) &&
      wire.init_unique.compare_exchange_strong(init, 0)) {
    std::array<char, sizeof(fuse_init_out)> out = {};
    std::memcpy(out.data(), iov[1].iov_base, out.size());
    add_features(out);
    std::memcpy(iov[1].iov_base, out.data(), out.size());
  }
  before_reply();
  return ::writev(device, iov, count);
}

}  // namespace

RequestFlags& request_flags() noexcept {
  thread_local RequestFlags flags;
  return flags;
}

fuse_custom_io wire_io(WireFeatures& features, const WireHooks& hooks) {
  wire.features = &features;
  wire.hooks = hooks;
  fuse_custom_io io = {};
  io.read = read_request;
  io.writev = write_reply;
  return io;
}

}  // namespace layerkit
