#pragma once

#include <string>

#include "layerkit/base/context.h"
#include "layerkit/imagetool/container_store.h"
#include "layerkit/runner/container.h"

namespace layerkit {

/// What `run` is asked for.
struct RunRequest {
  std::string image;  ///< a name, an ID or a prefix of one
  std::string name;   ///< empty: one is made up
  ConfigOverrides config;
  HostOptions options;
  MountBackend backend = MountBackend::Auto;
};

/// Makes a container of an image: its record, its layers with their init layer, its anonymous
/// volumes filled from the image. Missing host directories of binds are created, as docker does.
/// A failure leaves neither record nor layers.
ContainerInfo create_container(ContainerStore& store,
                               const RunRequest& request,
                               const Context& context);

enum class SignalProxy {
  Forward,  ///< signals that reach this process go to the container
  Ignore,   ///< they are dropped while it runs
};

/// What a container in the foreground is connected to. Not owned.
struct Foreground {
  int input = -1;  ///< read only when the container's stdin is open
  int output = 1;
  int error = 2;
  SignalProxy signals = SignalProxy::Forward;
  std::string detach_keys = {};  ///< docker's notation; empty: ctrl-p,ctrl-q
};

/// Runs a created container to its end: mounts it, starts it, passes its streams through and logs
/// them, records how it ended; with `auto_remove` nothing of it is left. REQUIRES: nobody ran it.
///
/// When it cannot be started, everything of it is removed, `failure` (may be null) tells which
/// exit code that deserves, and the Error is thrown. `failure` is left alone by later errors.
ExitStatus run_in_foreground(ContainerStore& store,
                             const ContainerInfo& container,
                             const Foreground& foreground,
                             StartFailure* failure,
                             const Context& context);

/// The same in a process of its own, which stays behind; returns when the container runs.
/// REQUIRES: the calling process has one thread.
void run_in_background(ContainerStore& store,
                       const ContainerInfo& container,
                       StartFailure* failure,
                       const Context& context);

/// Starts a container that create_container made or that has ended, as run_in_foreground does; when
/// it cannot be started it stays as it was, unless it has `auto_remove`. Throws Error{Busy} when it
/// runs, or when somebody else is starting or removing it.
ExitStatus start_in_foreground(ContainerStore& store,
                               const ContainerInfo& container,
                               const Foreground& foreground,
                               StartFailure* failure,
                               const Context& context);
/// The same in a process of its own; nothing when it runs. REQUIRES: as run_in_background.
void start_in_background(ContainerStore& store,
                         const ContainerInfo& container,
                         StartFailure* failure,
                         const Context& context);

/// How somebody who was attached to a container left it.
struct AttachEnd {
  enum class How {
    Ended,     ///< the container has ended; `code` is its exit code
    Detached,  ///< by the detach keys
    Signalled  ///< at a terminal, by a signal: `code` is 128 and its number
  };
  How how = How::Ended;
  int code = 0;
};

/// As run_in_foreground, but the container runs in a process of its own, which stays behind when
/// the user leaves: for a container with a terminal. The user's terminal, `foreground.input`, is
/// raw meanwhile and its size is followed. REQUIRES: as run_in_background.
AttachEnd run_attached(ContainerStore& store,
                       const ContainerInfo& container,
                       const Foreground& foreground,
                       StartFailure* failure,
                       const Context& context);
/// The same with a container that was made or has ended before.
AttachEnd start_attached(ContainerStore& store,
                         const ContainerInfo& container,
                         const Foreground& foreground,
                         StartFailure* failure,
                         const Context& context);
/// The same with one that runs. Throws Error{Invalid} when it does not run or is paused, Error{Io}
/// when its monitor is gone.
AttachEnd attach_container(ContainerStore& store,
                           const ContainerInfo& container,
                           const Foreground& foreground,
                           const Context& context);

/// Waits until the container runs no more; its exit code.
int wait_container(ContainerStore& store, const ContainerInfo& container, const Context& context);

/// Stops the container if it runs, as stop_container does, and starts it in the background. With
/// `auto_remove`, too, it is there all the time. REQUIRES: as run_in_background.
void restart_container(ContainerStore& store,
                       const ContainerInfo& container,
                       std::optional<std::int64_t> timeout_s,
                       const Context& context);

/// Asks a running container to stop by its stop signal and kills it when it did not within
/// `timeout_s` (unset: the container's own, or docker's 10 s; negative: waits for ever). Returns
/// when its end has been recorded; at once when it does not run.
void stop_container(ContainerStore& store,
                    const ContainerInfo& container,
                    std::optional<std::int64_t> timeout_s,
                    const Context& context);

/// Sends a signal to the container's first process. Throws Error{Invalid} when it does not run.
void kill_container(ContainerStore& store, const ContainerInfo& container, int signal_number);

enum class RemoveMode {
  Stopped,  ///< a running or mounted container is Error{Busy}
  Force,    ///< it is killed and unmounted first
};
/// Removes the container with its volumes.
void remove_container(ContainerStore& store,
                      const ContainerInfo& container,
                      RemoveMode mode,
                      const Context& context);

}  // namespace layerkit
