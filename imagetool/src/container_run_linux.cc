#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <memory>

#include "attach_client.h"
#include "attach_socket.h"
#include "container_launch.h"
#include "detach_keys.h"
#include "layerkit/base/byte_stream.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/container_run.h"
#include "user_terminal.h"

namespace layerkit {
namespace {

// --- in the background ---

/// What the monitor process tells the one that forked it: one line "started", or
/// "failed <code> <failure>" and then the message.
std::string failure_report(const Error& error, StartFailure failure) {
  return fmt::format("failed {} {}\n{}", static_cast<int>(error.code()), static_cast<int>(failure),
                     error.message());
}

void read_report(const Fd& report, StartFailure* failure) {
  FdSource source(report.get(), "the monitor's report");
  const std::string text = read_all(source, 1 << 20, "the monitor's report");
  if (text == "started\n") return;
  const auto line_end = text.find('\n');
  const auto words = split(std::string_view(text).substr(0, line_end), ' ');
  const auto code = words.size() == 3 ? parse_decimal(words[1]) : std::nullopt;
  const auto kind = words.size() == 3 ? parse_decimal(words[2]) : std::nullopt;
  if (words[0] != "failed" || !code || !kind) {
    fail(Errc::Io, "starting a container: its monitor process ended unexpectedly");
  }
  if (failure != nullptr) *failure = static_cast<StartFailure>(*kind);
  throw Error(static_cast<Errc>(*code), text.substr(line_end + 1));
}

constexpr int kReportFd = 3;
constexpr int kClientFd = 4;

/// Leaves everything of the caller behind: session, directory, descriptors, signal handlers.
/// The report moves to kReportFd, a client (or -1) to kClientFd.
void detach_process(int report, int client) noexcept {
  constexpr int kAbove = 16;  // of all that is replaced below
  ::setsid();
  const int kept_report = ::fcntl(report, F_DUPFD_CLOEXEC, kAbove);
  const int kept_client = client < 0 ? -1 : ::fcntl(client, F_DUPFD_CLOEXEC, kAbove);
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd <= 2; ++fd)
    ::dup2(null, fd);
  ::dup3(kept_report, kReportFd, O_CLOEXEC);
  if (kept_client >= 0) ::dup3(kept_client, kClientFd, O_CLOEXEC);
  ::close_range(kept_client >= 0 ? kClientFd + 1 : kReportFd + 1, ~0U, 0);
  if (::chdir("/") != 0) ::_exit(1);
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2}) {
    static_cast<void>(std::signal(signal, SIG_DFL));
  }
  static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
}

/// Opens everything anew: the descriptors of the process that forked us are closed.
void monitor(const std::string& root, const ContainerInfo& info, Launch launch, Fd report) {
  Foreground nobody;
  nobody.output = nobody.error = -1;
  const Context context;
  StartFailure failure = StartFailure::Setup;
  try {
    const auto images = ImageStore::open(root);
    ContainerStore store(*images);
    SignalReader signals;
    StartedContainer started = launch_container(store, info, std::move(launch), &failure, context);
    write_all(report.get(), "started\n", "the monitor's report");
    report.reset();
    watch_launched(store, info, std::move(started), nobody, signals, context);
  } catch (const Error& error) {
    if (report) write_all(report.get(), failure_report(error, failure), "the monitor's report");
  }
}

[[noreturn]] void monitor_process(const std::string& root,
                                  const ContainerInfo& info,
                                  Launch launch,
                                  int report) noexcept {
  const bool has_client = static_cast<bool>(launch.client);
  detach_process(report, launch.client.get());
  static_cast<void>(launch.client.release());  // closed, but for its copy
  if (has_client) launch.client = Fd(kClientFd);
  try {
    monitor(root, info, std::move(launch), Fd(kReportFd));
  } catch (...) {
    ::_exit(1);  // the parent reports that we ended unexpectedly
  }
  ::_exit(0);
}

void wait_for_child(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    const int err = errno;
    if (err != EINTR) fail_errno(err, "waiting for a child process");
  }
}

void launch_in_background(ContainerStore& store,
                          const ContainerInfo& container,
                          Launch launch,
                          StartFailure* failure) {
  const std::string root = std::filesystem::absolute(store.images().root()).string();
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) fail_errno(errno, "creating a pipe");
  const Fd report(ends[0]);
  Fd monitor_end(ends[1]);
  const pid_t child = ::fork();
  const int err = errno;
  if (child < 0) fail_errno(err, "starting a monitor process");
  if (child == 0) {
    // Forked twice so that the monitor is nobody's zombie.
    const pid_t grandchild = ::fork();
    if (grandchild == 0) monitor_process(root, container, std::move(launch), monitor_end.get());
    ::_exit(grandchild < 0 ? 1 : 0);
  }
  monitor_end.reset();
  launch.client.reset();
  wait_for_child(child);
  read_report(report, failure);
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
  launch_in_background(store, container, std::move(launch), failure);
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
                       const Context& /*context*/) {
  launch_in_background(store, container, {}, failure);
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
                         const Context& /*context*/) {
  if (!is_running(store, container)) launch_in_background(store, container, again(), failure);
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
    launch_in_background(store, container, std::move(launch), nullptr);
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
