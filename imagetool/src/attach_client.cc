#include "attach_client.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <deque>

#include "attach_socket.h"
#include "detach_keys.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/process_identity.h"
#include "signal_reader.h"
#include "stream_relay.h"
#include "user_terminal.h"

namespace layerkit {
namespace {

constexpr std::size_t kInputBytes = 4096;
/// What is kept of the keys that the container does not read.
constexpr std::size_t kMaxTypedAhead = std::size_t{1} << 20;

int parse_exit_code(const std::string& bytes) {
  const auto code = parse_decimal(bytes);
  if (!code || *code > 255) fail(Errc::Io, "reading from the container's monitor: no exit code");
  return static_cast<int>(*code);
}

class AttachSession {
 public:
  AttachSession(AttachClient client, int init, const Context& context)
      : socket_(std::move(client.socket)),
        foreground_(std::move(client.foreground)),
        context_(context),
        init_(init),
        is_at_terminal_(client.at_terminal),
        input_(foreground_.input),
        reads_keys_(client.at_terminal && foreground_.input >= 0),
        keys_(foreground_.detach_keys),
        output_(-1, foreground_.output, "standard output", {}),
        error_(-1, foreground_.error, "standard error", {}),
        raw_(reads_keys_ ? foreground_.input : -1) {}

  std::optional<AttachEnd> run() {
    // Of which nobody told us before there was somebody to hear it.
    if (is_at_terminal_) follow_size();
    while (!end_ && !is_lost_) {
      context_.check_interrupted();
      poll_once();
    }
    // What has come before the end is shown before we go.
    while (end_ && end_->how == AttachEnd::How::Ended &&
           (output_.has_pending() || error_.has_pending())) {
      poll_once();
    }
    return end_;
  }

 private:
  enum Slot : std::size_t { Signals, Socket, Input, Out, Err, SlotCount };

  void poll_once();
  bool reads_input() const;
  void follow_size();
  void read_signals();
  void take_signal(int signal);
  void read_input();
  void read_socket();
  void take_packet(const Packet& packet);
  void send(PacketKind kind, std::string_view bytes);
  void flush();

  Fd socket_;
  Foreground foreground_;
  const Context& context_;
  int init_;
  bool is_at_terminal_;
  int input_;
  bool reads_keys_;
  DetachKeys keys_;
  SignalReader signals_;
  StreamRelay output_;
  StreamRelay error_;
  RawTerminal raw_;
  std::deque<std::string> pending_;
  std::size_t pending_bytes_ = 0;
  std::optional<AttachEnd> end_;
  bool is_lost_ = false;
};

/// Keys are always read: they may be those that leave the container, which does not read.
bool AttachSession::reads_input() const {
  return !end_ && (reads_keys_ || pending_.empty());
}

void AttachSession::poll_once() {
  const bool may_show = !output_.has_pending() && !error_.has_pending();
  std::array<pollfd, SlotCount> polls{};
  polls[Signals] = {signals_.fd(), POLLIN, 0};
  if (may_show) polls[Socket].events |= POLLIN;
  if (!pending_.empty()) polls[Socket].events |= POLLOUT;
  // Whether the other side has gone is always said, and must not be asked before it can be heard.
  polls[Socket].fd = end_ || polls[Socket].events == 0 ? -1 : socket_.get();
  polls[Input] = {reads_input() ? input_ : -1, POLLIN, 0};
  polls[Out] = output_.target_poll();
  polls[Err] = error_.target_poll();
  if (::poll(polls.data(), polls.size(), -1) < 0) {
    const int err = errno;
    if (err == EINTR) return;
    fail_errno(err, "waiting for the container's monitor");
  }
  if (polls[Signals].revents != 0) read_signals();
  if (polls[Out].revents != 0) output_.write_some(context_);
  if (polls[Err].revents != 0) error_.write_some(context_);
  if (!output_.target_is_open() && foreground_.output >= 0 && !end_)
    end_ = AttachEnd{AttachEnd::How::Signalled, 128 + SIGPIPE};
  if ((polls[Socket].revents & (POLLOUT | POLLHUP | POLLERR)) != 0) flush();
  // What it said last can be read when it has gone.
  if (may_show && (polls[Socket].revents & (POLLIN | POLLHUP | POLLERR)) != 0) read_socket();
  if (polls[Input].revents != 0) read_input();
}

void AttachSession::follow_size() {
  if (const auto size = terminal_size(foreground_.input))
    send(PacketKind::Resize, format_size(*size));
}

void AttachSession::read_signals() {
  while (const auto signal = signals_.next())
    take_signal(*signal);
}

void AttachSession::take_signal(int signal) {
  if (signal == SIGWINCH) return follow_size();
  if (end_) {
    output_.stop();
    error_.stop();
  } else if (reads_keys_ || init_ < 0 || foreground_.signals != SignalProxy::Forward) {
    // What is not passed on is meant for this program.
    end_ = AttachEnd{AttachEnd::How::Signalled, 128 + signal};
  } else {
    signal_process(init_, signal);
  }
}

void AttachSession::read_input() {
  std::array<char, kInputBytes> buffer{};
  const auto count = ::read(input_, buffer.data(), buffer.size());
  const int err = errno;
  if (count < 0 && (err == EAGAIN || err == EINTR)) return;
  if (count <= 0) {
    input_ = -1;
    send(PacketKind::InputEnd, {});
    return;
  }
  const std::string_view bytes(buffer.data(), static_cast<std::size_t>(count));
  if (!reads_keys_) return send(PacketKind::Input, bytes);
  const std::string passed = keys_.feed(bytes);
  // A terminal, too, drops what is typed when its queue is full.
  if (!passed.empty() && pending_bytes_ + passed.size() <= kMaxTypedAhead)
    send(PacketKind::Input, passed);
  if (keys_.are_complete()) end_ = AttachEnd{AttachEnd::How::Detached, 0};
}

void AttachSession::read_socket() {
  const Received received = receive_packet(socket_);
  is_lost_ = received.is_closed;
  if (received.packet) take_packet(*received.packet);
}

void AttachSession::take_packet(const Packet& packet) {
  switch (packet.kind) {
    case PacketKind::Output:
      output_.add(packet.bytes);
      break;
    case PacketKind::Error:
      error_.add(packet.bytes);
      break;
    case PacketKind::Exit:
      end_ = AttachEnd{AttachEnd::How::Ended, parse_exit_code(packet.bytes)};
      break;
    default:
      fail(Errc::Io, "reading from the container's monitor: a packet that is not known");
  }
}

void AttachSession::send(PacketKind kind, std::string_view bytes) {
  pending_.push_back(format_packet(kind, bytes));
  pending_bytes_ += pending_.back().size();
  flush();
}

void AttachSession::flush() {
  while (!pending_.empty()) {
    const Sent sent = send_packet(socket_, pending_.front());
    if (sent == Sent::NotNow) return;
    // Gone: reading will say so, after what it said last.
    if (sent == Sent::Gone) {
      pending_.clear();
      pending_bytes_ = 0;
      return;
    }
    pending_bytes_ -= pending_.front().size();
    pending_.pop_front();
  }
}

}  // namespace

void greet_monitor(const AttachClient& client) {
  send_packet(client.socket, format_packet(PacketKind::Hello, kWantsOutput));
  if (!client.at_terminal) return;
  if (const auto size = terminal_size(client.foreground.input))
    send_packet(client.socket, format_packet(PacketKind::Resize, format_size(*size)));
}

std::optional<AttachEnd> attend(AttachClient client, int init, const Context& context) {
  return AttachSession(std::move(client), init, context).run();
}

std::optional<int> await_exit(const Fd& socket, const Context& context) {
  send_packet(socket, format_packet(PacketKind::Hello, {}));
  for (;;) {
    pollfd wanted{socket.get(), POLLIN, 0};
    if (::poll(&wanted, 1, -1) < 0 && errno != EINTR)
      fail_errno(errno, "waiting for the container's monitor");
    context.check_interrupted();
    const Received received = receive_packet(socket);
    if (received.is_closed) return std::nullopt;
    if (received.packet && received.packet->kind == PacketKind::Exit)
      return parse_exit_code(received.packet->bytes);
  }
}

}  // namespace layerkit
