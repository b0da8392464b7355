#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <memory>

#include "container_monitor.h"
#include "container_network.h"
#include "container_start.h"
#include "layerkit/base/byte_stream.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/container_run.h"
#include "layerkit/imagetool/mount_table.h"
#include "time_format.h"

namespace layerkit {
namespace {

struct StartedContainer {
  std::unique_ptr<Container> process;
  ContainerStreams streams;
  ContainerState state;
  Fd server;  ///< of its root, where it has one
};

/// How long the server of a FUSE union may take to write what it holds.
constexpr int kServerPatienceMs = 10'000;

/// Starts it in its root and writes down that it runs.
StartedContainer start_in(MountedLayers& root,
                          const std::string& network,
                          ContainerStore& store,
                          const ContainerInfo& info,
                          StartFailure* failure,
                          const Context& context) {
  StartPlan plan = plan_start(store, info, std::move(root.mount).release(), network);
  StartedContainer started;
  started.state.backend = root.backend;
  auto [ours, theirs] =
      make_streams(info.config.open_stdin ? StandardInput::Pipe : StandardInput::Null,
                   plan.spec.process.uid, plan.spec.process.gid);
  plan.spec.standard_input = std::move(theirs.input);
  plan.spec.standard_output = std::move(theirs.output);
  plan.spec.standard_error = std::move(theirs.error);
  started.process = start_container(std::move(plan.spec), std::move(plan.rootfs), failure, context);
  started.streams = std::move(ours);
  started.state.status = ContainerStatus::Running;
  started.state.init = identify_process(started.process->pid());
  started.state.monitor = own_identity();
  started.state.started_at = format_rfc3339(current_time());
  store.set_state(info.id, started.state);
  started.server = std::move(root.server);
  return started;
}

StartedContainer start(ContainerStore& store,
                       const ContainerInfo& info,
                       StartFailure* failure,
                       const Context& context) {
  // Before there is a root whose server would have to be awaited when this fails.
  const std::string network = info.options.network == NetworkMode::Named
                                  ? connect_network(store, info, context)
                                  : std::string();
  const Store& layers = store.images().layers();
  MountedLayers root = mount_layers(layers, layers.mount_container(info.id),
                                    {.backend = info.backend, .power = MountPower::Full});
  try {
    return start_in(root, network, store, info, failure, context);
  } catch (const Error&) {
    // It would write to directories that are being removed.
    static_cast<void>(await_server_end(root.server, kServerPatienceMs));
    throw;
  }
}

/// As start(); on failure nothing of the container is left.
StartedContainer start_or_remove(ContainerStore& store,
                                 const ContainerInfo& info,
                                 StartFailure* failure,
                                 const Context& context) {
  try {
    return start(store, info, failure, context);
  } catch (const Error&) {
    release_network(store, info.id, context);
    try {
      store.remove(info.id);
    } catch (const Error& error) {
      context.warn(error.message());  // the reason why it did not start matters more
    }
    throw;
  }
}

/// Whoever hears that the container has ended may mount it, or take it away. Where its root is
/// mounted once more, for somebody to look at it, the server goes with that mount.
void await_end_of_root(const ContainerStore& store, const ContainerInfo& info, const Fd& server) {
  if (server && MountTable(store.images()).mounts_of(MountSource::Container, info.id).empty())
    static_cast<void>(await_server_end(server, kServerPatienceMs));
}

ExitStatus watch(ContainerStore& store,
                 const ContainerInfo& info,
                 StartedContainer started,
                 const Foreground& foreground,
                 SignalReader& signals,
                 const Context& context) {
  const Fd record = store.directory(info.id);
  LogWriter log(open_at(record.get(), "log", O_WRONLY | O_APPEND | O_NOFOLLOW), current_time);
  const auto on_end = [&](const ExitStatus& status) {
    ContainerState state = started.state;
    state.status = ContainerStatus::Exited;
    state.init.reset();
    state.exit_code = status.code;
    state.oom_killed = status.out_of_memory;
    state.finished_at = format_rfc3339(current_time());
    try {
      release_network(store, info.id, context);
      await_end_of_root(store, info, started.server);
      store.set_state(info.id, state);
      if (info.options.auto_remove) remove_container(store, info, RemoveMode::Force, context);
    } catch (const Error& error) {
      context.warn(error.message());  // the program's own result matters more
    }
  };
  return watch_container(*started.process, started.server, std::move(started.streams), foreground,
                         signals, log, on_end, context);
}

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

/// Leaves everything of the caller behind: session, directory, descriptors, signal handlers.
/// The report moves to kReportFd.
void detach_process(int report) noexcept {
  ::setsid();
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd <= 2; ++fd)
    ::dup2(null, fd);
  if (report != kReportFd) ::dup3(report, kReportFd, O_CLOEXEC);
  ::close_range(4, ~0U, 0);
  if (::chdir("/") != 0) ::_exit(1);
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2}) {
    static_cast<void>(std::signal(signal, SIG_DFL));
  }
  static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
}

/// Opens everything anew: the descriptors of the process that forked us are closed.
void monitor(const std::string& root, const ContainerInfo& info, Fd report) {
  const Foreground nobody{.input = -1, .output = -1, .error = -1};
  const Context context;
  StartFailure failure = StartFailure::Setup;
  try {
    const auto images = ImageStore::open(root);
    ContainerStore store(*images);
    SignalReader signals;
    StartedContainer started = start_or_remove(store, info, &failure, context);
    write_all(report.get(), "started\n", "the monitor's report");
    report.reset();
    watch(store, info, std::move(started), nobody, signals, context);
  } catch (const Error& error) {
    if (report) write_all(report.get(), failure_report(error, failure), "the monitor's report");
  }
}

[[noreturn]] void monitor_process(const std::string& root,
                                  const ContainerInfo& info,
                                  int report) noexcept {
  detach_process(report);
  try {
    monitor(root, info, Fd(kReportFd));
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

}  // namespace

ExitStatus run_in_foreground(ContainerStore& store,
                             const ContainerInfo& container,
                             const Foreground& foreground,
                             StartFailure* failure,
                             const Context& context) {
  SignalReader signals;
  StartedContainer started = start_or_remove(store, container, failure, context);
  return watch(store, container, std::move(started), foreground, signals, context);
}

void run_in_background(ContainerStore& store,
                       const ContainerInfo& container,
                       StartFailure* failure,
                       const Context& /*context*/) {
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
    if (grandchild == 0) monitor_process(root, container, monitor_end.get());
    ::_exit(grandchild < 0 ? 1 : 0);
  }
  monitor_end.reset();
  wait_for_child(child);
  read_report(report, failure);
}

}  // namespace layerkit
