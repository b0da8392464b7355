#include "container_launch.h"

#include <fcntl.h>

#include "container_network.h"
#include "container_start.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/mount_table.h"
#include "time_format.h"

namespace layerkit {
namespace {

/// How long the server of a FUSE union may take to write what it holds.
constexpr int kServerPatienceMs = 10'000;

/// Starts it with pipes for streams, or at a terminal of its own.
void start_process(StartPlan plan,
                   const ContainerInfo& info,
                   StartedContainer& started,
                   StartFailure* failure,
                   const Context& context) {
  if (!info.config.tty) {
    auto [ours, theirs] =
        make_streams(info.config.open_stdin ? StandardInput::Pipe : StandardInput::Null,
                     plan.spec.process.uid, plan.spec.process.gid);
    plan.spec.standard_input = std::move(theirs.input);
    plan.spec.standard_output = std::move(theirs.output);
    plan.spec.standard_error = std::move(theirs.error);
    started.streams = std::move(ours);
  }
  started.process = start_container(std::move(plan.spec), std::move(plan.rootfs), failure, context);
  if (!info.config.tty) return;
  started.streams = terminal_streams(started.process->take_terminal());
  if (!info.config.open_stdin) started.streams.input.reset();
}

/// Starts it in its root and writes down that it runs.
StartedContainer start_in(MountedLayers& root,
                          const std::string& network,
                          ContainerStore& store,
                          const ContainerInfo& info,
                          Launch& launch,
                          StartFailure* failure,
                          const Context& context) {
  StartPlan plan = plan_start(store, info, std::move(root.mount).release(), network);
  plan.spec.process.console_size = launch.terminal_size;
  StartedContainer started;
  started.state.backend = root.backend;
  // Before anybody can learn that it runs.
  started.clients =
      std::make_unique<AttachServer>(store.directory(info.id), std::move(launch.client));
  start_process(std::move(plan), info, started, failure, context);
  started.state.status = ContainerStatus::Running;
  started.state.init = identify_process(started.process->pid());
  started.state.monitor = own_identity();
  started.state.started_at = format_rfc3339(current_time());
  const bool is_there = store.update_state(info.id, [&](ContainerState& state) {
    started.state.finished_at = state.finished_at;  // of its last run, as docker shows it
    state = started.state;
  });
  if (!is_there) fail(Errc::NotFound, "No such container: {}", info.name);
  started.server = std::move(root.server);
  return started;
}

/// Later mounts of what a container wrote take the backend that wrote it.
MountBackend backend_for(const ContainerStore& store, const ContainerInfo& info) {
  const auto state = store.state(info.id);
  return state && state->backend != MountBackend::Auto ? state->backend : info.backend;
}

/// Two unions on one upper directory would spoil it.
void require_unmounted(const ContainerStore& store, const ContainerInfo& info) {
  const MountTable table(store.images());
  // It is claimed: who mounts containers sees that once we have the lock.
  const FileLock lock = table.lock();
  const auto mounts = table.mounts_of(MountSource::Container, info.id);
  if (mounts.empty()) return;
  fail(Errc::Busy, "it is mounted at {}; unmount it before",
       layerkit::quoted(mounts.front().target));
}

StartedContainer start(ContainerStore& store,
                       const ContainerInfo& info,
                       Launch& launch,
                       StartFailure* failure,
                       const Context& context) {
  // Before there is a root whose server would have to be awaited when this fails.
  const std::string network = info.options.network == NetworkMode::Named
                                  ? connect_network(store, info, context)
                                  : std::string();
  const Store& layers = store.images().layers();
  MountedLayers root =
      mount_layers(layers, layers.mount_container(info.id),
                   {.backend = backend_for(store, info), .power = MountPower::Full});
  try {
    return start_in(root, network, store, info, launch, failure, context);
  } catch (const Error&) {
    // It would write to directories that are being removed.
    static_cast<void>(await_server_end(root.server, kServerPatienceMs));
    throw;
  }
}

/// Docker's, for a container that did not start.
int exit_code_of(StartFailure failure) {
  switch (failure) {
    case StartFailure::NotExecutable:
      return 126;
    case StartFailure::NotFound:
      return 127;
    case StartFailure::Setup:
      break;
  }
  return 128;
}

void remove_unstarted(ContainerStore& store, const ContainerInfo& info, const Context& context) {
  try {
    store.remove(info.id);
  } catch (const Error& error) {
    context.warn(error.message());  // the reason why it did not start matters more
  }
}

StartedContainer start_first(ContainerStore& store,
                             const ContainerInfo& info,
                             Launch& launch,
                             StartFailure* failure,
                             const Context& context) {
  try {
    return start(store, info, launch, failure, context);
  } catch (const Error&) {
    release_network(store, info.id, context);
    remove_unstarted(store, info, context);
    throw;
  }
}

void require_complete(const ContainerStore& store, const ContainerInfo& info) {
  const auto state = store.state(info.id);
  const bool is_half_made =
      state && state->status == ContainerStatus::Created && state->monitor.has_value();
  if (is_half_made || !store.images().layers().has_container(info.id)) {
    fail(Errc::Invalid, "whoever made it ended before it was complete; remove it");
  }
}

StartedContainer start_claimed(ContainerStore& store,
                               const ContainerInfo& info,
                               Launch& launch,
                               StartFailure* failure,
                               const Context& context) {
  StartFailure ignored = StartFailure::Setup;
  StartFailure& kind = failure != nullptr ? *failure : ignored;
  kind = StartFailure::Setup;
  try {
    require_complete(store, info);
    require_unmounted(store, info);
    // Of a start that somebody did not survive.
    release_network(store, info.id, context);
    return start(store, info, launch, &kind, context);
  } catch (const Error&) {
    release_network(store, info.id, context);
    store.update_state(info.id, [&](ContainerState& state) {
      state.exit_code = exit_code_of(kind);
      state.claimed_by.reset();
    });
    if (info.options.auto_remove) remove_unstarted(store, info, context);
    throw;
  }
}

/// Whoever hears that the container has ended may mount it, or take it away. Where its root is
/// mounted once more, for somebody to look at it, the server goes with that mount.
void await_end_of_root(const ContainerStore& store, const ContainerInfo& info, const Fd& server) {
  if (server && MountTable(store.images()).mounts_of(MountSource::Container, info.id).empty())
    static_cast<void>(await_server_end(server, kServerPatienceMs));
}

void write_down_end(ContainerStore& store,
                    const ContainerInfo& info,
                    const ExitStatus& status,
                    const Context& context) {
  bool is_claimed = false;
  store.update_state(info.id, [&](ContainerState& state) {
    state.status = ContainerStatus::Exited;
    state.init.reset();
    state.exit_code = status.code;
    state.oom_killed = status.out_of_memory;
    state.finished_at = format_rfc3339(current_time());
    is_claimed = ContainerStore::is_claimed(state);
  });
  // Claimed: it is being restarted.
  if (info.options.auto_remove && !is_claimed)
    remove_container(store, info, RemoveMode::Force, context);
}

}  // namespace

StartedContainer launch_container(ContainerStore& store,
                                  const ContainerInfo& info,
                                  Launch launch,
                                  StartFailure* failure,
                                  const Context& context) {
  if (launch.is_first) return start_first(store, info, launch, failure, context);
  return with_context([&] { return "starting container " + info.name; },
                      [&] {
                        store.claim(info, ContainerStore::Use::Stopped, launch.claimed_by);
                        return start_claimed(store, info, launch, failure, context);
                      });
}

ExitStatus watch_launched(ContainerStore& store,
                          const ContainerInfo& info,
                          StartedContainer started,
                          const Foreground& foreground,
                          SignalReader& signals,
                          const Context& context) {
  const Fd record = store.directory(info.id);
  LogWriter log(open_at(record.get(), "log", O_WRONLY | O_APPEND | O_NOFOLLOW), current_time);
  const auto on_end = [&](const ExitStatus& status) {
    try {
      release_network(store, info.id, context);
      await_end_of_root(store, info, started.server);
      write_down_end(store, info, status, context);
    } catch (const Error& error) {
      context.warn(error.message());  // the program's own result matters more
    }
  };
  Watch watch;
  watch.foreground = foreground;
  watch.input_end = info.config.stdin_once ? InputEnd::WithFirst : InputEnd::Never;
  watch.root_server = started.server.get();
  watch.log = &log;
  watch.clients = started.clients.get();
  return watch_process(*started.process, std::move(started.streams), watch, signals, on_end,
                       context);
}

}  // namespace layerkit
