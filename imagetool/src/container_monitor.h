#pragma once

#include <functional>

#include "layerkit/base/context.h"
#include "layerkit/base/fd.h"
#include "layerkit/imagetool/container_log.h"
#include "layerkit/imagetool/container_run.h"
#include "layerkit/runner/container.h"
#include "signal_reader.h"

namespace layerkit {

/// The pipes between a monitor and the process of a container.
struct ContainerStreams {
  Fd input;   ///< write end; unset when the container's stdin is /dev/null
  Fd output;  ///< read ends
  Fd error;
};

/// The container's ends of the same pipes.
struct ProcessStreams {
  Fd input;
  Fd output;
  Fd error;
};

enum class StandardInput { Null, Pipe };
/// The container's ends of output and error belong to `uid` so that it may reopen /dev/stdout.
std::pair<ContainerStreams, ProcessStreams> make_streams(StandardInput input,
                                                         std::uint32_t uid,
                                                         std::uint32_t gid);

/// Waits for a started container: passes bytes between its streams and `foreground` (descriptors
/// of -1 are nobody's), logs its output, hands the signals that `signals` reads on to it.
///
/// `root_server` is the server of the container's root (MountedLayers), or nothing. When it ends
/// first nothing in the container can go on, and it is killed.
///
/// When the container has ended, `on_end` is called as soon as all its output is in the log, before
/// the rest of it is passed on to a reader that may be slow.
ExitStatus watch_container(Container& container,
                           const Fd& root_server,
                           ContainerStreams streams,
                           const Foreground& foreground,
                           SignalReader& signals,
                           LogWriter& log,
                           const std::function<void(const ExitStatus&)>& on_end,
                           const Context& context);

}  // namespace layerkit
