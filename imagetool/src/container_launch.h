#pragma once

#include <memory>
#include <optional>

#include "container_monitor.h"
#include "layerkit/imagetool/container_run.h"

namespace layerkit {

/// A container that runs as a child of this process.
struct StartedContainer {
  std::unique_ptr<Container> process;
  ContainerStreams streams;
  std::unique_ptr<AttachServer> clients;
  ContainerState state;
  Fd server;  ///< of its root, where it has one
};

/// Which start of a container it is.
struct Launch {
  bool is_first = true;  ///< by `run`: when it fails, nothing of the container is left
  /// Not the first: who has claimed the container for this process.
  std::optional<ProcessIdentity> claimed_by;
  Fd client;                                 ///< who is attached from the start, or unset
  std::optional<ConsoleSize> terminal_size;  ///< of its terminal, if it has one
};

/// Mounts the container, starts it and writes down that it runs. When it cannot be started that is
/// written down, or it is removed, `failure` (may be null) says which exit code that deserves, and
/// the Error is thrown.
StartedContainer launch_container(ContainerStore& store,
                                  const ContainerInfo& info,
                                  Launch launch,
                                  StartFailure* failure,
                                  const Context& context);

/// Waits until it ends, writes that down, and removes what is to be removed.
ExitStatus watch_launched(ContainerStore& store,
                          const ContainerInfo& info,
                          StartedContainer started,
                          const Foreground& foreground,
                          SignalReader& signals,
                          const Context& context);

}  // namespace layerkit
