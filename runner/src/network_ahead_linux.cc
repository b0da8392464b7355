#include <fcntl.h>
#include <linux/if.h>
#include <linux/sockios.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstddef>

#include "blocked_signals.h"
#include "layerkit/base/error.h"
#include "network_ahead.h"
#include "system_call.h"

namespace layerkit::runner {
namespace {

/// Those that this thread may use, but for the one it is on. None when there are more than fit: the
/// start is then as it is with one.
cpu_set_t other_cpus() noexcept {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  const int own = ::sched_getcpu();
  if (::sched_getaffinity(0, sizeof(cpus), &cpus) != 0) CPU_ZERO(&cpus);
  if (own >= 0 && own < CPU_SETSIZE) CPU_CLR(static_cast<std::size_t>(own), &cpus);
  return cpus;
}

/// 0 or a negated errno. As the child does it (child_linux.cc), but without errno: that is the
/// caller's.
long raise_loopback() noexcept {
  const long fd = system_call(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, 0);
  if (fd < 0) return fd;
  ifreq request{};
  request.ifr_name[0] = 'l';
  request.ifr_name[1] = 'o';
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  const long result = system_call(SYS_ioctl, fd, SIOCSIFFLAGS, address(&request), 0);
  system_call(SYS_close, fd, 0, 0, 0);
  return result;
}

}  // namespace

int NetworkAhead::make(void* object) noexcept {
  auto& ahead = *static_cast<NetworkAhead*>(object);
  ahead.result_ = system_call(SYS_unshare, CLONE_NEWNET, 0, 0, 0);
  if (ahead.result_ < 0) return 0;
  ahead.step_ = Step::Loopback;
  ahead.result_ = raise_loopback();
  if (ahead.result_ < 0) return 0;
  ahead.step_ = Step::Namespace;
  ahead.result_ =
      system_call(SYS_openat, AT_FDCWD, address("/proc/self/ns/net"), O_RDONLY | O_CLOEXEC, 0);
  return 0;
}

NetworkAhead::NetworkAhead(const Namespaces& namespaces) : result_(-EINTR) {
  if (!namespaces.network.is_new() || namespaces.user.from != Namespace::From::Caller) return;
  const cpu_set_t cpus = other_cpus();
  if (CPU_COUNT(&cpus) == 0) return;
  int pidfd = -1;
  const BlockedSignals blocked;
  // Without a signal at its end: who waits for any child must not find it.
  const int pid = ::clone(&make, stack_.data() + stack_.size(),
                          CLONE_VM | CLONE_FILES | CLONE_PIDFD, this, &pidfd);
  if (pid < 0) fail_errno(errno, "creating the network namespace");
  maker_ = Fd(pidfd);
  // Else the scheduler may leave it behind this thread, which soon waits for it. Where it is does
  // not matter to what it does.
  ::sched_setaffinity(pid, sizeof(cpus), &cpus);
}

NetworkAhead::~NetworkAhead() {
  if (!maker_) return;
  wait();
  const Fd unused(result_ < 0 ? -1 : static_cast<int>(result_));
}

void NetworkAhead::wait() noexcept {
  siginfo_t info{};
  while (::waitid(P_PIDFD, static_cast<id_t>(maker_.get()), &info, WEXITED | __WALL) != 0 &&
         errno == EINTR) {
  }
  maker_.reset();
}

Fd NetworkAhead::take() {
  if (!maker_) return {};
  wait();
  if (result_ >= 0) return Fd(static_cast<int>(result_));
  fail_errno(static_cast<int>(-result_), "{}",
             step_ == Step::Loopback ? "raising the loopback interface"
                                     : "creating the network namespace");
}

}  // namespace layerkit::runner
