#include "attach_client.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <functional>

#include "attach_socket.h"
#include "layerkit/base/byte_stream.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "stream_relay.h"

namespace layerkit::testing {
namespace {

constexpr int kAttempts = 2400;
constexpr int kPauseUs = 25'000;
constexpr int kHangs = 99;

/// Work in a process of its own: it may block for ever, and then is killed.
class Child {
 public:
  explicit Child(const std::function<int()>& work) : pid_(::fork()) {
    if (pid_ == 0) ::_exit(work());
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() { exit_code(1); }

  std::string read_proc(const char* file) const {
    return read_file_at(AT_FDCWD, fmt::format("/proc/{}/{}", pid_, file), 4096);
  }
  bool has_ended() { return pid_ < 0 || ::waitpid(pid_, &status_, WNOHANG) == pid_; }
  /// kHangs when it does not end by itself.
  int exit_code(int attempts = kAttempts) {
    if (pid_ < 0) return WEXITSTATUS(status_);
    for (int attempt = 0; attempt < attempts; ++attempt) {
      if (has_ended()) {
        pid_ = -1;
        return WEXITSTATUS(status_);
      }
      ::usleep(kPauseUs);
    }
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, &status_, 0);
    pid_ = -1;
    return kHangs;
  }

 private:
  pid_t pid_;
  int status_ = 0;
};

struct Terminal {
  Terminal() {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::openpty(&ends[0], &ends[1], nullptr, nullptr, nullptr), 0);
    master = Fd(ends[0]);
    slave = Fd(ends[1]);
    ::fcntl(master.get(), F_SETFL, O_NONBLOCK);
    termios raw{};
    ::tcgetattr(slave.get(), &raw);
    ::cfmakeraw(&raw);
    ::tcsetattr(slave.get(), TCSANOW, &raw);
  }
  void resize(unsigned short rows, unsigned short columns) const {
    winsize size{};
    size.ws_row = rows;
    size.ws_col = columns;
    ::ioctl(slave.get(), TIOCSWINSZ, &size);
  }

  Fd master;
  Fd slave;
};

Foreground nothing() {
  Foreground foreground;
  foreground.output = foreground.error = -1;
  return foreground;
}

/// How somebody attached ends: 1 for a lost monitor, 2 for an error, 3 for leaving by keys.
int code_of(AttachClient client, const Context& context = {}) {
  try {
    const auto end = attend(std::move(client), -1, context);
    if (!end) return 1;
    return end->how == AttachEnd::How::Detached ? 3 : end->code;
  } catch (const Error& error) {
    return error.code() == Errc::Interrupted ? 130 : 2;
  }
}

std::string await_packet(const Fd& socket) {
  pollfd wanted{socket.get(), POLLIN, 0};
  if (::poll(&wanted, 1, kAttempts * kPauseUs / 1000) != 1) return "nothing";
  const Received received = receive_packet(socket);
  if (!received.packet) return "closed";
  return static_cast<char>(received.packet->kind) + received.packet->bytes;
}

TEST(AttachClientTest, WhoCannotShowWhatCameLastRestsAndThenShowsIt) {
  SocketPair pair = make_attach_pair();
  int out[2] = {-1, -1};
  ASSERT_EQ(::pipe2(out, O_CLOEXEC), 0);
  const Fd reader(out[0]);
  Fd writer(out[1]);
  const std::string block(60'000, 'x');
  for (int i = 0; i < 2; ++i)
    ASSERT_EQ(send_packet(pair.monitor, format_packet(PacketKind::Output, block)), Sent::Yes);
  ASSERT_EQ(send_packet(pair.monitor, format_packet(PacketKind::Exit, "7")), Sent::Yes);
  pair.monitor.reset();
  Foreground foreground = nothing();
  foreground.output = writer.get();
  Child client([&] { return code_of({std::move(pair.client), foreground, false}); });
  writer.reset();
  // "running", or the number of the system call in which it waits.
  int waiting = 0;
  for (int attempt = 0; attempt < kAttempts && waiting < 20; ++attempt) {
    waiting = client.read_proc("syscall").starts_with("running") ? 0 : waiting + 1;
    ::usleep(kPauseUs / 5);
  }
  EXPECT_EQ(waiting, 20) << "it never waits";
  FdSource shown(reader.get(), "what was shown");
  EXPECT_EQ(drain(shown), 2 * block.size());
  EXPECT_EQ(client.exit_code(), 7);
}

TEST(AttachClientTest, TheKeysToLeaveAreSeenAlthoughTheContainerReadsNothing) {
  SocketPair pair = make_attach_pair();
  const Terminal terminal;
  Foreground foreground = nothing();
  foreground.input = terminal.slave.get();
  Child client([&] { return code_of({std::move(pair.client), foreground, true}); });
  // More than the socket takes.
  std::string typed = std::string(3'000'000, 'x') + "\x10\x11";
  for (int pauses = 0; pauses < kAttempts && !typed.empty() && !client.has_ended();) {
    const auto count =
        ::write(terminal.master.get(), typed.data(), std::min<std::size_t>(1024, typed.size()));
    if (count > 0) typed.erase(0, static_cast<std::size_t>(count));
    if (count <= 0 && ++pauses > 0) ::usleep(kPauseUs / 5);
  }
  EXPECT_EQ(typed.size(), 0U) << "not read";
  EXPECT_EQ(client.exit_code(), 3);
}

TEST(AttachClientTest, TheSizeIsSaidOnceThereIsSomebodyToHearOfChanges) {
  SocketPair pair = make_attach_pair();
  const Terminal terminal;
  terminal.resize(33, 77);
  Foreground foreground = nothing();
  foreground.input = terminal.slave.get();
  Child client([&] {
    pair.monitor.reset();
    return code_of({std::move(pair.client), foreground, true});
  });
  EXPECT_EQ(await_packet(pair.monitor), "r33 77");
  EXPECT_EQ(send_packet(pair.monitor, format_packet(PacketKind::Exit, "5")), Sent::Yes);
  EXPECT_EQ(client.exit_code(), 5);
}

TEST(AttachClientTest, ASignalThatCameBeforeIsNotWaitedWith) {
  SocketPair pair = make_attach_pair();
  const std::atomic<bool> interrupted{true};
  Context context;
  context.interrupted = &interrupted;
  Child client([&] { return code_of({std::move(pair.client), nothing(), false}, context); });
  EXPECT_EQ(client.exit_code(), 130);
}

TEST(StreamRelayTest, ATerminalThatHasLittleRoomDoesNotBlock) {
  const Terminal terminal;
  Child writer([&] {
    const Context context;
    StreamRelay relay(-1, terminal.slave.get(), "the terminal", {});
    relay.add(std::string(1'000'000, 'x'));
    for (;;) {
      pollfd target = relay.target_poll();
      if (::poll(&target, 1, 0) != 1) return relay.has_pending() ? 0 : 1;
      relay.write_some(context);
    }
  });
  EXPECT_EQ(writer.exit_code(), 0);
}

}  // namespace
}  // namespace layerkit::testing
