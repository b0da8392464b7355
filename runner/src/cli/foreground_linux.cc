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
    if (relay_ != nullptr) relay_->drain();
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
    pollfd polls[4] = {
        {process_.pidfd(), POLLIN, 0}, {signals_.fd(), POLLIN, 0}, {-1, 0, 0}, {-1, 0, 0}};
    if (relay_ != nullptr && is_terminal_open_) {
      const bool pending = relay_->has_pending_input();
      polls[2] = {relay_->master(), static_cast<short>(POLLIN | (pending ? POLLOUT : 0)), 0};
      // The caller's next keys have to wait until the terminal takes the last ones.
      if (!pending) polls[3] = {relay_->input(), POLLIN, 0};
    }
    if (::poll(polls, 4, time_left()) < 0) {
      if (errno != EINTR) fail_errno(errno, "waiting for the process");
      return;
    }
    if (polls[1].revents != 0) pass_signals();
    if ((polls[2].revents & POLLOUT) != 0) relay_->write_input();
    if ((polls[2].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
      is_terminal_open_ = relay_->copy_output();
    if (polls[3].revents != 0) relay_->read_input();
    has_ended_ = polls[0].revents != 0;
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
