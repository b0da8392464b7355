#include <atomic>
#include <csignal>
#include <filesystem>
#include <memory>

#include "attach_client.h"
#include "attach_socket.h"
#include "background_process.h"
#include "container_launch.h"
#include "detach_keys.h"
#include "layerkit/base/error.h"
#include "layerkit/imagetool/container_run.h"
#include "user_terminal.h"

namespace layerkit {
namespace {

// --- in the background ---

/// Set by whoever started the monitor and does not want the container any more. Once it runs, its
/// signals are the container's.
std::atomic<bool> stop_asked{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // so that the handler may set it

extern "C" void on_stop_asked(int /*signal_number*/) {
  stop_asked.store(true);
}

Context stoppable_context() {
  struct sigaction action {};
  action.sa_handler = on_stop_asked;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGTERM, &action, nullptr);
  Context context;
  context.interrupted = &stop_asked;
  return context;
}

/// Opens everything anew: the descriptors of the process that forked us are closed.
void monitor(const std::string& root, const ContainerInfo& info, Launch launch, Fd report) {
  Foreground nobody;
  nobody.output = nobody.error = -1;
  StartFailure failure = StartFailure::Setup;
  try {
    const auto images = ImageStore::open(root);
    ContainerStore store(*images);
    StartedContainer started =
        launch_container(store, info, std::move(launch), &failure, stoppable_context());
    SignalReader signals;
    send_to_starter(report.get(), kStarted);
    report.reset();
    watch_launched(store, info, std::move(started), nobody, signals, Context());
  } catch (const Error& error) {
    if (report) send_to_starter(report.get(), failure_text(error, failure));
  }
}

/// True when the user asked for it to stop, which goes on until it says how the start went; who
/// asks twice does not want to wait for that.
bool await_start(const BackgroundProcess& monitor, SignalReader& signals) {
  constexpr int kAskAgainMs = 100;  // it may have been about to wait for something
  int stops = 0;
  while (!monitor.await(signals.fd(), stops > 0 ? kAskAgainMs : -1)) {
    while (const auto signal = signals.next())
      stops += *signal == SIGWINCH ? 0 : 1;
    if (stops > 0) monitor.signal(stops == 1 ? SIGTERM : SIGKILL);
  }
  return stops > 0;
}

/// Returns when it runs; true when a signal that was meant to stop it came too late.
bool launch_in_background(ContainerStore& store,
                          const ContainerInfo& container,
                          Launch launch,
                          StartFailure* failure,
                          SignalReader& signals,
                          const Context& context) {
  context.check_interrupted();
  const std::string root = std::filesystem::absolute(store.images().root()).string();
  const BackgroundProcess process([&](int socket) {
    leave_starter({socket, launch.client.get()});
    monitor(root, container, std::move(launch), Fd(socket));
  });
  launch.client.reset();
  const bool stops = await_start(process, signals);
  const auto packet = process.receive();
  if (!packet && stops) fail(Errc::Interrupted, "interrupted");
  if (!packet || packet->text != kStarted)
    throw_failure(packet, "starting a container: its monitor process", failure);
  return stops;
}

Launch again() {
  Launch launch;
  launch.is_first = false;
  return launch;
}

bool is_running(const ContainerStore& store, const ContainerInfo& container) {
  const auto state = store.state(container.id);
  return state && state->status == ContainerStatus::Running;
}

/// Starts it in the background with this process attached from the start: nothing of what it says
/// first is missed.
AttachEnd launch_attached(ContainerStore& store,
                          const ContainerInfo& container,
                          Launch launch,
                          const Foreground& foreground,
                          StartFailure* failure,
                          const Context& context) {
  static_cast<void>(DetachKeys(foreground.detach_keys));  // refuses what makes no sense
  SocketPair pair = make_attach_pair();
  AttachClient client{std::move(pair.client), foreground, container.config.tty};
  greet_monitor(client);
  launch.client = std::move(pair.monitor);
  if (container.config.tty) launch.terminal_size = terminal_size(foreground.input);
  // Until the end: none is lost between the start and the attaching.
  SignalReader signals;
  if (launch_in_background(store, container, std::move(launch), failure, signals, context))
    return {AttachEnd::How::Signalled, 128 + SIGINT};
  const auto state = store.state(container.id);
  const auto init = state && state->init ? open_process(*state->init) : std::nullopt;
  const auto end = attend(std::move(client), init ? init->get() : -1, context);
  if (end) return *end;
  fail(Errc::Io, "the process that watched container {} has ended", container.name);
}

}  // namespace

ExitStatus run_in_foreground(ContainerStore& store,
                             const ContainerInfo& container,
                             const Foreground& foreground,
                             StartFailure* failure,
                             const Context& context) {
  SignalReader signals;
  StartedContainer started = launch_container(store, container, {}, failure, context);
  return watch_launched(store, container, std::move(started), foreground, signals, context);
}

void run_in_background(ContainerStore& store,
                       const ContainerInfo& container,
                       StartFailure* failure,
                       const Context& context) {
  SignalReader signals;
  launch_in_background(store, container, {}, failure, signals, context);
}

ExitStatus start_in_foreground(ContainerStore& store,
                               const ContainerInfo& container,
                               const Foreground& foreground,
                               StartFailure* failure,
                               const Context& context) {
  SignalReader signals;
  StartedContainer started = launch_container(store, container, again(), failure, context);
  return watch_launched(store, container, std::move(started), foreground, signals, context);
}

void start_in_background(ContainerStore& store,
                         const ContainerInfo& container,
                         StartFailure* failure,
                         const Context& context) {
  SignalReader signals;
  if (!is_running(store, container))
    launch_in_background(store, container, again(), failure, signals, context);
}

void restart_container(ContainerStore& store,
                       const ContainerInfo& container,
                       std::optional<std::int64_t> timeout_s,
                       const Context& context) {
  // So that `run --rm` does not take it away when it ends, and nobody else does.
  store.claim(container, ContainerStore::Use::Any);
  try {
    stop_container(store, container, timeout_s, context);
    Launch launch = again();
    launch.claimed_by = own_identity();
    SignalReader signals;
    launch_in_background(store, container, std::move(launch), nullptr, signals, context);
  } catch (const Error&) {
    store.release_claim(container.id);
    throw;
  }
}

AttachEnd run_attached(ContainerStore& store,
                       const ContainerInfo& container,
                       const Foreground& foreground,
                       StartFailure* failure,
                       const Context& context) {
  return launch_attached(store, container, {}, foreground, failure, context);
}

AttachEnd start_attached(ContainerStore& store,
                         const ContainerInfo& container,
                         const Foreground& foreground,
                         StartFailure* failure,
                         const Context& context) {
  return launch_attached(store, container, again(), foreground, failure, context);
}

}  // namespace layerkit
