#include "container_monitor.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <optional>
#include <vector>

#include "layerkit/base/error.h"
#include "layerkit/imagetool/process_identity.h"
#include "stream_relay.h"
#include "user_terminal.h"

namespace layerkit {
namespace {

struct Pipe {
  Fd read;
  Fd write;
};

Pipe make_pipe() {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) fail_errno(errno, "creating a pipe");
  return {Fd(ends[0]), Fd(ends[1])};
}

void set_nonblocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
    fail_errno(errno, "making a stream non-blocking");
  }
}

void give_to(int fd, std::uint32_t uid, std::uint32_t gid) {
  if (::fchown(fd, uid, gid) != 0) fail_errno(errno, "giving a pipe to user {}", uid);
}

class Monitor {
 public:
  Monitor(StartedProcess& process,
          ContainerStreams streams,
          const Watch& watch,
          SignalReader& signals,
          const Context& context)
      : process_(process),
        streams_(std::move(streams)),
        watch_(watch),
        root_server_(watch.root_server),
        context_(context),
        signals_(signals),
        input_(streams_.input ? watch.foreground.input : -1,
               streams_.input.get(),
               "the container",
               {}),
        output_(streams_.output.get(),
                watch.foreground.output,
                "standard output",
                [this](std::string_view bytes) { publish(LogStream::Output, bytes); }),
        error_(streams_.error.get(),
               watch.foreground.error,
               "standard error",
               [this](std::string_view bytes) { publish(LogStream::Error, bytes); }),
        raw_(streams_.terminal ? watch.foreground.input : -1) {
    if (streams_.terminal) follow_size();
    if (watch_.clients == nullptr) return;
    watch_.clients->on_requests({.input = [this](std::string_view bytes) { input_.add(bytes); },
                                 .end_of_input = [this] { other_input_ended_ = true; },
                                 .resize = [this](const ConsoleSize& size) { resize(size); }});
  }

  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;
  /// The clients' end may outlive it, and must not ask it for anything then.
  ~Monitor() {
    if (watch_.clients != nullptr) watch_.clients->on_requests({});
  }

  ExitStatus run(const std::function<void(const ExitStatus&)>& on_end);

 private:
  enum Slot : std::size_t {
    Signals,
    Process,
    RootServer,
    InputFrom,
    InputTo,
    OutFrom,
    OutTo,
    ErrFrom,
    ErrTo,
    SlotCount
  };

  bool poll_once();
  void collect_polls();
  void forward_signals();
  void forward_one(int signal);
  void end_without_root();
  void relay();
  void close_finished_streams();
  void drain_output();
  void pass_on_rest();
  void publish(LogStream stream, std::string_view bytes);
  void resize(const ConsoleSize& size);
  void follow_size();
  bool is_at_users_terminal() const { return streams_.terminal && watch_.foreground.input >= 0; }
  bool clients_are_behind() const {
    return watch_.clients != nullptr && watch_.clients->has_pending();
  }

  StartedProcess& process_;
  ContainerStreams streams_;
  const Watch& watch_;
  int root_server_;
  const Context& context_;
  SignalReader& signals_;
  StreamRelay input_;
  StreamRelay output_;
  StreamRelay error_;
  RawTerminal raw_;
  std::vector<pollfd> polls_;
  std::optional<int> left_by_;  ///< the signal by which the user has left
  bool other_input_ended_ = false;
  bool log_works_ = true;
  bool ended_ = false;
};

void Monitor::publish(LogStream stream, std::string_view bytes) {
  if (watch_.clients != nullptr) watch_.clients->send(stream, bytes);
  if (watch_.log == nullptr || !log_works_) return;
  try {
    watch_.log->write(stream, bytes);
  } catch (const Error& error) {
    // A full disk must not stop the program that runs in the container.
    log_works_ = false;
    context_.warn(fmt::format("{}; the output is no longer logged", error.message()));
  }
}

void Monitor::resize(const ConsoleSize& size) {
  if (streams_.terminal) set_terminal_size(streams_.terminal.get(), size);
}

void Monitor::follow_size() {
  if (const auto size = terminal_size(watch_.foreground.input)) resize(*size);
}

void Monitor::forward_signals() {
  while (const auto signal = signals_.next())
    forward_one(*signal);
}

void Monitor::forward_one(int signal) {
  if (signal == SIGWINCH) return follow_size();
  if (ended_) {
    // Nothing to forward to: the user wants us to end although the rest was not read.
    output_.stop();
    error_.stop();
    if (watch_.clients != nullptr) watch_.clients->drop_clients();
  } else if (is_at_users_terminal()) {
    left_by_ = signal;
  } else if (watch_.foreground.signals == SignalProxy::Forward) {
    process_.signal(signal);
  }
}

/// What it would read or write is gone for good.
void Monitor::end_without_root() {
  root_server_ = -1;
  // A process that ends by itself lets go of its root a moment before anybody hears of its end.
  constexpr int kMomentMs = 1000;
  if (wait_for_exit(process_.pidfd(), kMomentMs)) return;
  context_.warn("the server of the container's root has ended: the container is killed");
  process_.signal(SIGKILL);
}

void Monitor::relay() {
  if (polls_[InputFrom].revents != 0) input_.read_some(context_);
  if (polls_[InputTo].revents != 0) input_.write_some(context_);
  if (polls_[OutFrom].revents != 0) output_.read_some(context_);
  if (polls_[OutTo].revents != 0) output_.write_some(context_);
  if (polls_[ErrFrom].revents != 0) error_.read_some(context_);
  if (polls_[ErrTo].revents != 0) error_.write_some(context_);
  close_finished_streams();
}

/// The other side of a pipe learns about an end only when ours is closed.
void Monitor::close_finished_streams() {
  const bool own_ended = watch_.foreground.input >= 0 && !input_.source_is_open();
  const bool ends = watch_.input_end == InputEnd::WithFirst && !streams_.terminal;
  if (ends && (own_ended || other_input_ended_) && !input_.has_pending()) {
    input_.stop();
    streams_.input.reset();
  }
  if (!output_.source_is_open()) streams_.output.reset();
  if (!error_.source_is_open()) streams_.error.reset();
}

void Monitor::collect_polls() {
  polls_.resize(SlotCount);
  polls_[Signals] = {signals_.fd(), POLLIN, 0};
  polls_[Process] = {ended_ ? -1 : process_.pidfd(), POLLIN, 0};
  // Only its end is waited for, not what it says.
  polls_[RootServer] = {ended_ ? -1 : root_server_, 0, 0};
  polls_[InputFrom] = input_.source_poll();
  polls_[InputTo] = input_.target_poll();
  polls_[OutFrom] = output_.source_poll();
  polls_[OutTo] = output_.target_poll();
  polls_[ErrFrom] = error_.source_poll();
  polls_[ErrTo] = error_.target_poll();
  if (clients_are_behind()) polls_[OutFrom].fd = polls_[ErrFrom].fd = -1;
  if (watch_.clients != nullptr) watch_.clients->add_polls(polls_, !input_.has_pending());
}

/// False once the process has ended.
bool Monitor::poll_once() {
  collect_polls();
  if (::poll(polls_.data(), polls_.size(), -1) < 0) {
    const int err = errno;
    if (err == EINTR) return true;
    fail_errno(err, "waiting for a container");
  }
  if (polls_[Signals].revents != 0) forward_signals();
  // Before the output: who is attached from the start has said so by now.
  if (watch_.clients != nullptr)
    watch_.clients->handle(std::span<const pollfd>(polls_).subspan(SlotCount));
  relay();
  if (polls_[RootServer].revents != 0) end_without_root();
  return polls_[Process].revents == 0;
}

/// Everything the ended process left in its pipes. Bounded: somebody outside may hold their
/// other ends, passed through a socket in a volume.
void Monitor::drain_output() {
  constexpr int kMaxReads = 256;
  for (StreamRelay* stream : {&output_, &error_}) {
    for (int reads = 0; reads < kMaxReads && stream->source_is_open(); ++reads) {
      if (!stream->read_some(context_)) break;
    }
  }
  try {
    if (watch_.log != nullptr && log_works_) watch_.log->finish();
  } catch (const Error& error) {
    context_.warn(error.message());
  }
}

void Monitor::pass_on_rest() {
  input_.stop();
  while (output_.has_pending() || error_.has_pending())
    poll_once();
  // As long as they are there they may still read it; the container itself is over and free.
  while (clients_are_behind())
    poll_once();
}

ExitStatus Monitor::run(const std::function<void(const ExitStatus&)>& on_end) {
  while (!left_by_ && poll_once()) {
  }
  if (left_by_) return ExitStatus{128 + *left_by_, *left_by_, false};
  ended_ = true;
  const ExitStatus status = process_.wait();
  drain_output();
  if (watch_.clients != nullptr) watch_.clients->close();
  on_end(status);
  if (watch_.clients != nullptr) watch_.clients->finish(status.code);
  pass_on_rest();
  return status;
}

}  // namespace

std::pair<ContainerStreams, ProcessStreams> make_streams(StandardInput input,
                                                         std::uint32_t uid,
                                                         std::uint32_t gid) {
  ContainerStreams ours;
  ProcessStreams theirs;
  if (input == StandardInput::Pipe) {
    Pipe pipe = make_pipe();
    give_to(pipe.read.get(), uid, gid);
    set_nonblocking(pipe.write.get());
    ours.input = std::move(pipe.write);
    theirs.input = std::move(pipe.read);
  }
  const auto connect = [&](Fd& our_end, Fd& their_end) {
    Pipe pipe = make_pipe();
    give_to(pipe.write.get(), uid, gid);
    set_nonblocking(pipe.read.get());
    our_end = std::move(pipe.read);
    their_end = std::move(pipe.write);
  };
  connect(ours.output, theirs.output);
  connect(ours.error, theirs.error);
  return {std::move(ours), std::move(theirs)};
}

ContainerStreams terminal_streams(Fd master) {
  set_nonblocking(master.get());
  ContainerStreams streams;
  streams.terminal = open_terminal_of(master.get());
  streams.input = master.duplicate();
  streams.output = std::move(master);
  return streams;
}

ExitStatus watch_process(StartedProcess& process,
                         ContainerStreams streams,
                         const Watch& watch,
                         SignalReader& signals,
                         const std::function<void(const ExitStatus&)>& on_end,
                         const Context& context) {
  return Monitor(process, std::move(streams), watch, signals, context).run(on_end);
}

}  // namespace layerkit
