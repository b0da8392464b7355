#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <optional>

#include "control/message.h"
#include "control/socket.h"
#include "control/unmount_union.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "server/supervisor.h"

namespace layerkit {
namespace {

constexpr std::array kEndingSignals = {SIGTERM, SIGINT, SIGHUP};

sigset_t supervisor_signals() {
  sigset_t signals{};
  ::sigemptyset(&signals);
  for (const int number : kEndingSignals)
    ::sigaddset(&signals, number);
  ::sigaddset(&signals, SIGCHLD);
  return signals;
}

/// The wait status once the server has ended.
std::optional<int> status_of(pid_t server) {
  int status = 0;
  const pid_t ended = ::waitpid(server, &status, WNOHANG);
  if (ended == server) return status;
  return std::nullopt;
}

/// What cannot be unmounted now is tried again with the next signal.
void unmount_on_request(std::uint64_t device) noexcept {
  try {
    static_cast<void>(unmount_union(device, UnmountMode::Lazy));
  } catch (const Error&) {  // NOLINT(bugprone-empty-catch): see above
  }
}

/// Whether the server's first thread, which serves to the end, has ended. A thread of it may still
/// wait in the kernel for a process that waits for an answer: only the connection's end wakes both.
bool is_stuck_in_its_end(pid_t server) noexcept {
  constexpr std::size_t kMaxBytes = 4096;
  try {
    const std::string stat =
        read_file_at(AT_FDCWD, fmt::format("/proc/{}/stat", server), kMaxBytes);
    const std::size_t name_end = stat.rfind(") ");
    if (name_end == std::string::npos) return false;
    const char state = stat.at(name_end + 2);
    return state == 'Z' || state == 'X' || state == 'I';  // I: until the others dump core
  } catch (const std::exception&) {
    return false;
  }
}

int wait_for_end(pid_t server, std::uint64_t device) {
  constexpr timespec kLook = {.tv_sec = 5, .tv_nsec = 0};
  const sigset_t signals = supervisor_signals();
  for (;;) {
    if (const auto status = status_of(server)) return *status;
    const int number = ::sigtimedwait(&signals, nullptr, &kLook);
    if (number < 0 && is_stuck_in_its_end(server)) abort_union(device);
    if (number > 0 && number != SIGCHLD) unmount_on_request(device);
  }
}

/// Nobody listens after the start.
void tell_reason(const Fd& ready, int status) noexcept {
  try {
    const Error error(Errc::Io, WIFSIGNALED(status)
                                    ? fmt::format("the server of the union was ended by signal {}",
                                                  WTERMSIG(status))
                                    : "the server of the union ended");
    send_message(ready.get(), format_error(error));
  } catch (const Error&) {  // NOLINT(bugprone-empty-catch): see above
  }
}

}  // namespace

void block_supervisor_signals() {
  const sigset_t signals = supervisor_signals();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

void ignore_supervisor_signals() {
  for (const int number : kEndingSignals)
    static_cast<void>(std::signal(number, SIG_IGN));
  const sigset_t signals = supervisor_signals();
  ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

int supervise(pid_t server, std::uint64_t device, RunDirectory directory, Fd ready) {
  const int status = wait_for_end(server, device);
  unmount_dead_union(device, directory.id());
  directory.remove();
  // Last: whoever waits for the end takes it for that.
  tell_reason(ready, status);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace layerkit
