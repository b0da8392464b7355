#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>

#include "layerkit/base/error.h"
#include "layerkit/imagetool/mount_backend.h"

namespace layerkit {

bool await_server_end(const Fd& server, int timeout_ms) {
  using Clock = std::chrono::steady_clock;
  if (!server) return true;
  const auto deadline = Clock::now() + std::chrono::milliseconds(timeout_ms);
  for (;;) {
    // What it may have said before it ended does not matter, so only the hangup is waited for.
    pollfd end = {server.get(), 0, 0};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    const int ready = ::poll(&end, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (ready > 0) return true;
    if (ready == 0) return false;
    const int err = errno;
    if (err != EINTR) fail_errno(err, "waiting for the server of a union");
  }
}

}  // namespace layerkit
