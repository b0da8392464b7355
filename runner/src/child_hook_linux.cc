#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>

#include "hook.h"

namespace layerkit::runner {
namespace {

constexpr int kSignals = 64;

/// The hook's own process. What fails goes to `failure` as an errno.
[[noreturn]] void execute(const PlannedHook& hook, int state, int output, int failure) noexcept {
  struct KernelAction {
    unsigned long words[4];
  };
  const KernelAction by_default{};
  for (int number = 1; number <= kSignals; ++number)
    ::syscall(SYS_rt_sigaction, number, &by_default, nullptr, 8UL);
  const std::uint64_t none = 0;
  ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, nullptr, 8UL);
  bool ready =
      ::syscall(SYS_lseek, state, 0L, SEEK_SET) == 0 && ::syscall(SYS_dup3, state, 0, 0) == 0;
  if (output >= 0) {
    ready =
        ready && ::syscall(SYS_dup3, output, 1, 0) == 1 && ::syscall(SYS_dup3, output, 2, 0) == 2;
  }
  ready = ready && ::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) == 0;
  if (ready) ::syscall(SYS_execve, hook.path, hook.argv, hook.envp);
  const int error = errno;
  ::syscall(SYS_write, failure, &error, sizeof(error));
  for (;;)
    ::syscall(SYS_exit_group, 127);
}

long milliseconds_now() noexcept {
  timespec now{};
  ::syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

/// False when the time was over first.
bool await_end(int pidfd, int timeout) noexcept {
  const long end = milliseconds_now() + timeout;
  for (;;) {
    long left = -1;
    if (timeout >= 0) {
      left = end - milliseconds_now();
      if (left < 0) left = 0;
    }
    pollfd poll{pidfd, POLLIN, 0};
    timespec time{left / 1000, left % 1000 * 1'000'000};
    const long got = ::syscall(SYS_ppoll, &poll, 1UL, left < 0 ? nullptr : &time, nullptr,
                               sizeof(std::uint64_t));
    if (got > 0) return true;
    if (got == 0) return false;
    if (errno != EINTR) return true;
  }
}

HookEnd end_of(int pidfd) noexcept {
  siginfo_t info{};
  long got = 0;
  do {
    got = ::syscall(SYS_waitid, P_PIDFD, pidfd, &info, WEXITED, nullptr);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return {HookEnd::How::NotStarted, errno};
  if (info.si_code != CLD_EXITED) return {HookEnd::How::Signalled, info.si_status};
  if (info.si_status != 0) return {HookEnd::How::Exited, info.si_status};
  return {};
}

}  // namespace

HookEnd run_hook(const PlannedHook& hook, int state, int output) noexcept {
  int failure[2] = {-1, -1};
  if (::syscall(SYS_pipe2, failure, O_CLOEXEC) != 0) return {HookEnd::How::NotStarted, errno};
  int pidfd = -1;
  clone_args args{};
  args.flags = CLONE_PIDFD;
  args.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  const long pid = ::syscall(SYS_clone3, &args, sizeof(args));
  if (pid == 0) execute(hook, state, output, failure[1]);
  int error = pid < 0 ? errno : 0;
  ::syscall(SYS_close, failure[1]);
  HookEnd end{HookEnd::How::NotStarted, error};
  if (pid > 0) {
    // The end of the stream: it was executed.
    long got = 0;
    do {
      got = ::syscall(SYS_read, failure[0], &error, sizeof(error));
    } while (got < 0 && errno == EINTR);
    const bool failed = got == sizeof(error);
    const bool ended = await_end(pidfd, failed ? -1 : hook.timeout);
    if (!ended) ::syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0);
    end = end_of(pidfd);
    if (failed) end = {HookEnd::How::NotStarted, error};
    if (!ended) end = {HookEnd::How::TimedOut, 0};
    ::syscall(SYS_close, pidfd);
  }
  ::syscall(SYS_close, failure[0]);
  return end;
}

}  // namespace layerkit::runner
