#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "background_process.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/process_identity.h"

namespace layerkit {
namespace {

constexpr std::size_t kMaxPacketBytes = std::size_t{1} << 16;

struct Control {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> bytes{};
};

void wait_for_child(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    const int err = errno;
    if (err != EINTR) fail_errno(err, "waiting for a child process");
  }
}

/// What the starter blocks and handles is its own affair.
void take_own_signals() noexcept {
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH})
    static_cast<void>(std::signal(signal, SIG_DFL));
  static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
  sigset_t none;
  ::sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void work_in_background(const std::function<void(int)>& work, int socket) noexcept {
  ::setsid();
  take_own_signals();
  const Fd self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  if (!self) ::_exit(1);
  try {
    send_to_starter(socket, "here", self.get());
    work(socket);
  } catch (...) {
    ::_exit(1);  // the starter hears that it ended without a word
  }
  ::_exit(0);
}

/// Not one of the standard streams, which are replaced later.
Fd above_streams(Fd fd) {
  if (fd.get() > STDERR_FILENO) return fd;
  Fd copy(::fcntl(fd.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  const int err = errno;
  if (!copy) fail_errno(err, "duplicating a descriptor");
  return copy;
}

}  // namespace

BackgroundProcess::BackgroundProcess(const std::function<void(int socket)>& work) {
  int ends[2] = {-1, -1};
  // Packets: what is said arrives whole or not at all.
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    fail_errno(errno, "creating a pair of sockets");
  socket_ = Fd(ends[0]);
  Fd other = above_streams(Fd(ends[1]));
  const pid_t child = ::fork();
  const int err = errno;
  if (child < 0) fail_errno(err, "starting a process in the background");
  if (child == 0) {
    // Forked twice so that it is nobody's zombie.
    const pid_t grandchild = ::fork();
    if (grandchild == 0) work_in_background(work, other.get());
    ::_exit(grandchild < 0 ? 1 : 0);
  }
  other.reset();
  wait_for_child(child);
  auto here = receive();
  if (!here || !here->fd) fail(Errc::Io, "starting a process in the background: it ended at once");
  pidfd_ = std::move(here->fd);
}

bool BackgroundProcess::await(int other, int timeout_ms) const {
  std::array<pollfd, 2> polls = {{{socket_.get(), POLLIN, 0}, {other, POLLIN, 0}}};
  if (::poll(polls.data(), polls.size(), timeout_ms) < 0) {
    const int err = errno;
    if (err == EINTR) return false;
    fail_errno(err, "waiting for a process in the background");
  }
  return polls[0].revents != 0;
}

std::optional<BackgroundPacket> BackgroundProcess::receive() const {
  BackgroundPacket packet;
  packet.text.resize(kMaxPacketBytes);
  iovec data{packet.text.data(), packet.text.size()};
  Control control;
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control.bytes.data();
  header.msg_controllen = control.bytes.size();
  ssize_t got = 0;
  do {
    got = ::recvmsg(socket_.get(), &header, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got <= 0) return std::nullopt;
  const cmsghdr* part = CMSG_FIRSTHDR(&header);
  if (part != nullptr && part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS) {
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(part), sizeof fd);
    packet.fd = Fd(fd);
  }
  packet.text.resize(static_cast<std::size_t>(got));
  return packet;
}

void BackgroundProcess::signal(int signal_number) const {
  signal_process(pidfd_.get(), signal_number);
}

void BackgroundProcess::await_end() const {
  while (!wait_for_exit(pidfd_.get(), -1)) {
  }
}

void send_to_starter(int socket, std::string_view text, int fd) {
  text = text.substr(0, kMaxPacketBytes);
  // sendmsg(2) takes what it only reads as if it might change it.
  iovec data{const_cast<char*>(text.data()), text.size()};
  Control control;
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  if (fd >= 0) {
    header.msg_control = control.bytes.data();
    header.msg_controllen = control.bytes.size();
    cmsghdr* const part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(part), &fd, sizeof fd);
  }
  while (::sendmsg(socket, &header, MSG_NOSIGNAL) < 0) {
    const int err = errno;
    if (err == EINTR) continue;
    if (err == EPIPE || err == ECONNRESET) return;
    fail_errno(err, "reporting to the process that started this one");
  }
}

void leave_starter(const std::vector<int>& kept) {
  std::vector<int> sorted = kept;
  std::ranges::sort(sorted);
  const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (int fd = 0; fd <= STDERR_FILENO; ++fd) {
    if (!std::ranges::binary_search(sorted, fd)) ::dup2(null.get(), fd);
  }
  unsigned first = STDERR_FILENO + 1;
  for (const int fd : sorted) {
    if (fd < static_cast<int>(first)) continue;
    if (fd > static_cast<int>(first)) ::close_range(first, static_cast<unsigned>(fd) - 1, 0);
    first = static_cast<unsigned>(fd) + 1;
  }
  ::close_range(first, ~0U, 0);
  if (::chdir("/") != 0) fail_errno(errno, "changing to the root directory");
}

std::string failure_text(const Error& error, StartFailure failure) {
  return fmt::format("failed {} {} {}\n{}", static_cast<int>(error.code()), error.sys_errno(),
                     static_cast<int>(failure), error.message());
}

void throw_failure(const std::optional<BackgroundPacket>& packet,
                   std::string_view what,
                   StartFailure* failure) {
  const std::string_view text = packet ? std::string_view(packet->text) : std::string_view();
  const auto line_end = text.find('\n');
  const auto words = split(text.substr(0, line_end), ' ');
  const bool is_whole = words.size() == 4 && words[0] == "failed" && line_end != text.npos;
  const auto code = is_whole ? parse_decimal(words[1]) : std::nullopt;
  const auto number = is_whole ? parse_decimal(words[2]) : std::nullopt;
  const auto kind = is_whole ? parse_decimal(words[3]) : std::nullopt;
  if (!code || !number || !kind) fail(Errc::Io, "{} ended unexpectedly", what);
  if (failure != nullptr) *failure = static_cast<StartFailure>(*kind);
  throw Error(static_cast<Errc>(*code), static_cast<int>(*number),
              std::string(text.substr(line_end + 1)));
}

}  // namespace layerkit
