#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>

#include "layerkit/base/error.h"
#include "signal_reader.h"

namespace layerkit {

SignalReader::SignalReader() {
  sigset_t wanted;
  ::sigemptyset(&wanted);
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH}) {
    ::sigaddset(&wanted, signal);
  }
  fd_ = Fd(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
  const int err = errno;
  if (!fd_) fail_errno(err, "opening a signalfd");
  if (const int blocked = ::pthread_sigmask(SIG_BLOCK, &wanted, &previous_); blocked != 0) {
    fail_errno(blocked, "blocking signals");
  }
}

SignalReader::~SignalReader() {
  ::pthread_sigmask(SIG_SETMASK, &previous_, nullptr);
}

std::optional<int> SignalReader::next() {
  signalfd_siginfo info{};
  if (::read(fd_.get(), &info, sizeof info) != static_cast<ssize_t>(sizeof info)) {
    return std::nullopt;
  }
  return static_cast<int>(info.ssi_signo);
}

}  // namespace layerkit
