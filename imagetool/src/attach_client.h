#pragma once

#include <optional>

#include "layerkit/base/context.h"
#include "layerkit/base/fd.h"
#include "layerkit/imagetool/container_run.h"

namespace layerkit {

/// Somebody at the other side of a monitor's socket.
struct AttachClient {
  Fd socket;
  Foreground foreground;
  bool at_terminal = false;  ///< the container has one
};

/// What a client says first; call before the monitor is there, or right after connecting.
void greet_monitor(const AttachClient& client);

/// Passes everything on until the container ends or the user leaves. `init`: a pidfd of the
/// container's first process, which gets the signals; -1: they are dropped. nullopt when the
/// monitor ended without a word.
std::optional<AttachEnd> attend(AttachClient client, int init, const Context& context);

/// Waits for the end alone. nullopt as above.
std::optional<int> await_exit(const Fd& socket, const Context& context);

}  // namespace layerkit
