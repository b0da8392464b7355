#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "cli/foreground.h"
#include "cli/terminal_relay.h"
#include "layerkit/base/error.h"

namespace layerkit::cli {
namespace {

/// All that are somebody's message to the process; not those that tell of this one's own doings.
sigset_t forwarded_signals() {
  sigset_t signals{};
  ::sigfillset(&signals);
  for (const int number : {SIGCHLD, SIGPIPE, SIGURG, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT,
                           SIGTRAP, SIGSYS, SIGTTIN, SIGTTOU, SIGTSTP, SIGCONT}) {
    ::sigdelset(&signals, number);
  }
  return signals;
}

class SignalQueue {
 public:
  SignalQueue() {
    const sigset_t signals = forwarded_signals();
    fd_ = Fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd_) fail_errno(errno, "waiting for signals");
  }

  int fd() const noexcept { return fd_.get(); }
  /// 0: none.
  int next() const {
    signalfd_siginfo info{};
    return ::read(fd_.get(), &info, sizeof(info)) == sizeof(info) ? static_cast<int>(info.ssi_signo)
                                                                  : 0;
  }

 private:
  HeldSignals held_;
  Fd fd_;
};

/// More than a terminal holds: what the process itself wrote last is among it.
constexpr std::size_t kMostLeft = 1U << 20U;

bool asks_to_end(int number) noexcept {
  return number == SIGINT || number == SIGTERM || number == SIGHUP || number == SIGQUIT;
}

std::int64_t milliseconds_now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

class Foreground {
 public:
  Foreground(StartedProcess& process,
             std::optional<int> timeout,
             const std::function<void()>& on_timeout)
      : process_(process), on_timeout_(on_timeout) {
    if (timeout) end_ = milliseconds_now() + *timeout;
    if (Fd terminal = process.take_terminal())
      relay_ = std::make_unique<TerminalRelay>(std::move(terminal));
  }

  ExitStatus stay() {
    while (!has_ended_)
      wait_once();
    if (relay_ != nullptr) drain();
    return process_.wait();
  }

 private:
  int time_left() {
    if (!end_) return -1;
    const std::int64_t left = *end_ - milliseconds_now();
    if (left > 0) return static_cast<int>(left);
    end_.reset();
    on_timeout_();
    return -1;
  }

  void wait_once() {
    pollfd polls[5] = {{process_.pidfd(), POLLIN, 0},
                       {signals_.fd(), POLLIN, 0},
                       {-1, 0, 0},
                       {-1, 0, 0},
                       {-1, 0, 0}};
    if (relay_ != nullptr && is_terminal_open_) {
      const bool pending = relay_->has_pending_input();
      const bool has_room = relay_->has_room_for_output();
      const int events = (has_room ? POLLIN : 0) | (pending ? POLLOUT : 0);
      // Its end would be told all the time.
      if (events != 0) polls[2] = {relay_->master(), static_cast<short>(events), 0};
      // The caller's next keys have to wait until the terminal takes the last ones.
      if (!pending) polls[3] = {relay_->input(), POLLIN, 0};
    }
    if (relay_ != nullptr && relay_->has_pending_output()) polls[4] = {1, POLLOUT, 0};
    if (::poll(polls, 5, time_left()) < 0) {
      if (errno != EINTR) fail_errno(errno, "waiting for the process");
      return;
    }
    has_ended_ = polls[0].revents != 0;
    if (polls[1].revents != 0 && !has_ended_) pass_signals();
    if ((polls[2].revents & POLLOUT) != 0) relay_->write_input();
    if ((polls[2].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && relay_->has_room_for_output())
      is_terminal_open_ = relay_->read_output().has_value();
    if (polls[4].revents != 0) relay_->write_output();
    if (polls[3].revents != 0) relay_->read_input();
  }

  void pass_signals() {
    for (int number = signals_.next(); number != 0; number = signals_.next()) {
      if (number == SIGWINCH && relay_ != nullptr) {
        relay_->resize();
      } else {
        process_.signal(number);
      }
    }
  }

  /// What the process left in its terminal. Others may write there for ever.
  void drain() {
    for (std::size_t sum = 0;;) {
      while (relay_->has_pending_output()) {
        if (!await_output()) return;
        relay_->write_output();
      }
      if (sum >= kMostLeft) return;
      const std::size_t got = relay_->read_output().value_or(0);
      if (got == 0) return;
      sum += got;
    }
  }

  /// False when somebody asks not to wait any longer.
  bool await_output() {
    for (;;) {
      pollfd polls[2] = {{1, POLLOUT, 0}, {signals_.fd(), POLLIN, 0}};
      if (::poll(polls, 2, -1) < 0 && errno != EINTR)
        fail_errno(errno, "waiting for standard output");
      for (int number = signals_.next(); number != 0; number = signals_.next()) {
        if (asks_to_end(number)) return false;
      }
      if (polls[0].revents != 0) return true;
    }
  }

  StartedProcess& process_;
  const std::function<void()>& on_timeout_;
  SignalQueue signals_;
  std::unique_ptr<TerminalRelay> relay_;
  std::optional<std::int64_t> end_;
  bool is_terminal_open_ = true;
  bool has_ended_ = false;
};

}  // namespace

HeldSignals::HeldSignals() {
  const sigset_t signals = forwarded_signals();
  if (::pthread_sigmask(SIG_BLOCK, &signals, &before_) != 0) fail_errno(errno, "blocking signals");
}

HeldSignals::~HeldSignals() {
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

ExitStatus stay_in_foreground(StartedProcess& process,
                              std::optional<int> timeout,
                              const std::function<void()>& on_timeout) {
  return Foreground(process, timeout, on_timeout).stay();
}

}  // namespace layerkit::cli
