#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "fd_passing.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "session.h"

namespace layerkit::runner {
namespace {

constexpr const char* kConsoleSocket = "console socket";
constexpr const char* kListenerSocket = "seccomp listener";
constexpr const char* kPidfdSocket = "pidfd socket";

class RunningProcess final : public StartedProcess {
 public:
  RunningProcess(Process process, Fd terminal)
      : process_(std::move(process)), terminal_(std::move(terminal)) {
    // It lives on without us.
    process_.release();
  }
  pid_t pid() const noexcept override { return process_.pid(); }
  int pidfd() const noexcept override { return process_.pidfd(); }
  Fd take_terminal() override { return std::move(terminal_); }
  void signal(int signal_number) override { process_.signal(signal_number); }
  ExitStatus wait() override { return process_.wait(); }

 private:
  Process process_;
  Fd terminal_;
};

}  // namespace

StartEvents::StartEvents(const ContainerSpec& spec,
                         const std::string& console_socket,
                         bool keeps_terminal) {
  if (spec.seccomp) {
    listener_path_ = spec.seccomp->listener_path;
    listener_metadata_ = spec.seccomp->listener_metadata;
  }
  const bool wanted = spec.process.terminal;
  if (!wanted && !console_socket.empty())
    fail(Errc::Invalid, "cannot use console socket if runner will not detach or allocate tty");
  if (wanted && !keeps_terminal && console_socket.empty())
    fail(Errc::Invalid, "cannot allocate tty if runner will detach without setting console socket");
  if (!console_socket.empty()) console_ = connect_to(console_socket, kConsoleSocket);
}

void StartEvents::run_hooks(pid_t pid) {
  if (run_hooks_) run_hooks_(pid);
}

void StartEvents::prepared(pid_t pid) {
  if (prepared_) prepared_(pid);
}

void StartEvents::take_terminal(Fd master) {
  if (console_) {
    send_descriptor(console_, master.get(), "/dev/ptmx", kConsoleSocket);
    console_.reset();
    return;
  }
  // Line ends are made for the caller's terminal, by that.
  termios settings{};
  if (::tcgetattr(master.get(), &settings) == 0) {
    settings.c_oflag &= ~static_cast<tcflag_t>(ONLCR);
    ::tcsetattr(master.get(), TCSANOW, &settings);
  }
  terminal_ = std::move(master);
}

/// runtime-spec, config-linux.md, "The Container Process State".
void StartEvents::take_seccomp_listener(Fd listener, pid_t pid) {
  if (listener_path_.empty())
    fail(Errc::Invalid, "loading the seccomp filter: it notifies, and there is no listenerPath");
  nlohmann::ordered_json message;
  message["ociVersion"] = "0.2.0";
  message["fds"] = {"seccompFd"};
  message["pid"] = pid;
  message["metadata"] = listener_metadata_;
  message["state"] = nlohmann::ordered_json::parse(state_(pid));
  const Fd socket = with_context([] { return "failed to connect with seccomp agent"; },
                                 [&] { return connect_to(listener_path_, kListenerSocket); });
  send_descriptor(socket, listener.get(), message.dump(), kListenerSocket);
}

std::unique_ptr<StartedProcess> started(Process process, Fd terminal) {
  return std::make_unique<RunningProcess>(std::move(process), std::move(terminal));
}

Fd connect_pidfd_socket(const std::string& path) {
  return path.empty() ? Fd() : connect_to(path, kPidfdSocket);
}

void send_pidfd(const Fd& socket, const Process& process) {
  if (socket) send_descriptor(socket, process.pidfd(), "pidfd", kPidfdSocket);
}

void write_pid_file(const std::string& path, pid_t pid) {
  if (path.empty()) return;
  const std::size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  const Fd fd = open_at(AT_FDCWD, directory, O_PATH | O_DIRECTORY);
  const std::string temporary = "." + name + "." + std::to_string(pid);
  try {
    write_file_at(fd.get(), temporary, std::to_string(pid), 0644);
    rename_at(fd.get(), temporary, fd.get(), name);
  } catch (const Error&) {
    ::unlinkat(fd.get(), temporary.c_str(), 0);
    throw;
  }
}

void hand_down_streams(ContainerSpec& spec) {
  Fd* const streams[] = {&spec.standard_input, &spec.standard_output, &spec.standard_error};
  for (int i = 0; i < 3; ++i) {
    *streams[i] = Fd(::fcntl(i, F_DUPFD_CLOEXEC, 3));
    if (!*streams[i]) fail_errno(errno, "handing down descriptor {}", i);
  }
}

}  // namespace layerkit::runner
