#include "exec_session.h"

#include <csignal>
#include <optional>
#include <string>
#include <utility>

#include "background_process.h"
#include "container_monitor.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/process_identity.h"

namespace layerkit {
namespace {

constexpr std::string_view kProcess = "process";
constexpr std::string_view kTerminal = "terminal";
constexpr std::string_view kEnded = "ended";

// --- in the background ---

/// A process whose terminal nobody sees.
ExitStatus watch_unseen(StartedProcess& process, Fd master, const Context& context) {
  SignalReader signals;
  Watch watch;
  watch.foreground.output = watch.foreground.error = -1;
  watch.input_end = InputEnd::Never;
  return watch_process(
      process, terminal_streams(std::move(master)), watch, signals, [](const ExitStatus&) {},
      context);
}

void run_session(ContainerExec exec, TerminalHolder holder, int socket, const Context& context) {
  StartFailure failure = StartFailure::Setup;
  std::unique_ptr<StartedProcess> process;
  try {
    process = exec_in_container(std::move(exec), failure, context);
  } catch (const Error& error) {
    send_to_starter(socket, failure_text(error, failure));
    return;
  }
  Fd master = process->take_terminal();
  send_to_starter(socket, fmt::format("{} {}", kProcess, process->pid()), process->pidfd());
  if (holder == TerminalHolder::Caller && master) {
    send_to_starter(socket, kTerminal, master.get());
    master.reset();
  }
  send_to_starter(socket, kStarted);
  leave_starter({socket, process->pidfd(), master.get()});
  const ExitStatus status =
      master ? watch_unseen(*process, std::move(master), Context()) : process->wait();
  send_to_starter(socket, fmt::format("{} {} {}", kEnded, status.code, status.signal));
}

// --- in the foreground ---

class SessionProcess final : public StartedProcess {
 public:
  explicit SessionProcess(BackgroundProcess session) : session_(std::move(session)) {}

  void set_process(pid_t pid, Fd pidfd) {
    pid_ = pid;
    pidfd_ = std::move(pidfd);
  }
  void set_terminal(Fd master) { master_ = std::move(master); }
  const BackgroundProcess& session() const noexcept { return session_; }

  pid_t pid() const noexcept override { return pid_; }
  int pidfd() const noexcept override { return pidfd_.get(); }
  Fd take_terminal() override { return std::move(master_); }
  void signal(int signal_number) override { signal_process(pidfd_.get(), signal_number); }

  ExitStatus wait() override {
    const auto packet = session_.receive();
    const auto words = split(packet ? std::string_view(packet->text) : std::string_view(), ' ');
    const bool is_end = words.size() == 3 && words[0] == kEnded;
    const auto code = is_end ? parse_decimal(words[1]) : std::nullopt;
    const auto number = is_end ? parse_decimal(words[2]) : std::nullopt;
    if (!code || !number) fail(Errc::Io, "the process that watched the command has ended");
    ExitStatus status;
    status.code = static_cast<int>(*code);
    status.signal = static_cast<int>(*number);
    return status;
  }

 private:
  BackgroundProcess session_;
  pid_t pid_ = -1;
  Fd pidfd_;
  Fd master_;
};

bool has_stop_signal(SignalReader& signals) {
  while (const auto signal = signals.next()) {
    if (*signal != SIGWINCH) return true;
  }
  return false;
}

/// A process that waits in a frozen cgroup is not reaped before that thaws, hence no request: who
/// sets it up is killed, and it finds that nobody listens before it executes anything.
[[noreturn]] void give_up(const BackgroundProcess& session) {
  session.signal(SIGKILL);
  session.await_end();
  while (const auto packet = session.receive()) {
    if (packet->fd && packet->text.starts_with(kProcess)) signal_process(packet->fd.get(), SIGKILL);
  }
  fail(Errc::Interrupted, "interrupted");
}

std::optional<BackgroundPacket> next_packet(const BackgroundProcess& session,
                                            SignalReader& signals) {
  while (!session.await(signals.fd(), -1)) {
    if (has_stop_signal(signals)) give_up(session);
  }
  return session.receive();
}

}  // namespace

std::unique_ptr<StartedProcess> start_exec_session(ContainerExec exec,
                                                   TerminalHolder holder,
                                                   SignalReader& signals,
                                                   StartFailure& failure,
                                                   const Context& context) {
  context.check_interrupted();
  Context unstopped;
  unstopped.warn = context.warn;
  auto process = std::make_unique<SessionProcess>(BackgroundProcess(
      [&](int socket) { run_session(std::move(exec), holder, socket, unstopped); }));
  for (;;) {
    auto packet = next_packet(process->session(), signals);
    if (packet && packet->text == kStarted) return process;
    if (packet && packet->text == kTerminal) {
      process->set_terminal(std::move(packet->fd));
    } else if (packet && packet->text.starts_with(kProcess)) {
      const auto pid = parse_decimal(std::string_view(packet->text).substr(kProcess.size() + 1));
      process->set_process(static_cast<pid_t>(pid.value_or(0)), std::move(packet->fd));
    } else {
      throw_failure(packet, "the process that starts the command", &failure);
    }
  }
}

}  // namespace layerkit
