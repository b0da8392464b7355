#pragma once

#include <functional>

#include "attach_server.h"
#include "layerkit/base/context.h"
#include "layerkit/base/fd.h"
#include "layerkit/imagetool/container_log.h"
#include "layerkit/imagetool/container_run.h"
#include "layerkit/runner/started_process.h"
#include "signal_reader.h"

namespace layerkit {

/// What a monitor has of the streams of a process: pipes, or the master of its terminal.
struct ContainerStreams {
  Fd input;     ///< write end; unset when the process's stdin is /dev/null
  Fd output;    ///< read ends; a terminal's output has errors in it
  Fd error;     ///< unset at a terminal
  Fd terminal;  ///< the terminal itself, see open_terminal_of; unset: pipes
};

/// The process's ends of the pipes.
struct ProcessStreams {
  Fd input;
  Fd output;
  Fd error;
};

enum class StandardInput { Null, Pipe };
/// The process's ends of output and error belong to `uid` so that it may reopen /dev/stdout.
std::pair<ContainerStreams, ProcessStreams> make_streams(StandardInput input,
                                                         std::uint32_t uid,
                                                         std::uint32_t gid);
/// Of a process with a terminal.
ContainerStreams terminal_streams(Fd master);

/// When a process's stdin ends.
enum class InputEnd {
  WithFirst,  ///< with that of the first who had something to say
  Never,
};

/// What a monitor waits for and passes on, besides the process and its streams. Not owned.
struct Watch {
  /// Descriptors of -1 are nobody's. A terminal as input is raw as long as it is watched.
  Foreground foreground;
  InputEnd input_end = InputEnd::WithFirst;
  int root_server = -1;      ///< MountedLayers::server: when it ends first the process is killed
  LogWriter* log = nullptr;  ///< gets the output
  AttachServer* clients = nullptr;  ///< get it, too
};

/// Waits for a process to end: passes bytes between its streams and all that `watch` names, hands
/// the signals that `signals` reads on to it. At a terminal of the user's a signal ends this
/// instead, with the exit code of somebody whom the signal ended, and the process loses its
/// terminal.
///
/// When the process has ended, `on_end` is called as soon as all its output is in the log, before
/// the rest of it is passed on to a reader that may be slow.
ExitStatus watch_process(StartedProcess& process,
                         ContainerStreams streams,
                         const Watch& watch,
                         SignalReader& signals,
                         const std::function<void(const ExitStatus&)>& on_end,
                         const Context& context);

}  // namespace layerkit
