#include "container_monitor.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "layerkit/base/error.h"
#include "layerkit/imagetool/process_identity.h"
#include "stream_relay.h"

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
    fail_errno(errno, "making a pipe non-blocking");
  }
}

void give_to(int fd, std::uint32_t uid, std::uint32_t gid) {
  if (::fchown(fd, uid, gid) != 0) fail_errno(errno, "giving a pipe to user {}", uid);
}

class Monitor {
 public:
  Monitor(Container& container,
          const Fd& root_server,
          ContainerStreams streams,
          const Foreground& foreground,
          SignalReader& signals,
          LogWriter& log,
          const Context& context)
      : container_(container),
        root_server_(root_server.get()),
        streams_(std::move(streams)),
        signal_policy_(foreground.signals),
        log_(log),
        context_(context),
        signals_(signals),
        input_(streams_.input ? foreground.input : -1, streams_.input.get(), "the container", {}),
        output_(streams_.output.get(),
                foreground.output,
                "standard output",
                [this](std::string_view bytes) { write_log(LogStream::Output, bytes); }),
        error_(streams_.error.get(),
               foreground.error,
               "standard error",
               [this](std::string_view bytes) { write_log(LogStream::Error, bytes); }),
        keeps_input_open_(foreground.input < 0) {}

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
  using Polled = std::array<pollfd, SlotCount>;

  bool poll_once();
  void forward_signals();
  void end_without_root();
  void relay(const Polled& ready);
  void close_finished_streams();
  void drain_output();
  void pass_on_rest();
  void write_log(LogStream stream, std::string_view bytes);

  Container& container_;
  int root_server_;
  ContainerStreams streams_;
  SignalProxy signal_policy_;
  LogWriter& log_;
  const Context& context_;
  SignalReader& signals_;
  StreamRelay input_;
  StreamRelay output_;
  StreamRelay error_;
  bool keeps_input_open_;
  bool log_works_ = true;
  bool ended_ = false;
};

void Monitor::write_log(LogStream stream, std::string_view bytes) {
  if (!log_works_) return;
  try {
    log_.write(stream, bytes);
  } catch (const Error& error) {
    // A full disk must not stop the program that runs in the container.
    log_works_ = false;
    context_.warn(fmt::format("{}; the output is no longer logged", error.message()));
  }
}

void Monitor::forward_signals() {
  while (const auto signal = signals_.next()) {
    if (ended_) {
      // Nothing to forward to: the user wants us to end although the rest was not read.
      output_.stop();
      error_.stop();
    } else if (signal_policy_ == SignalProxy::Forward) {
      container_.signal(*signal);
    }
  }
}

void Monitor::end_without_root() {
  root_server_ = -1;
  // A process that ends by itself lets go of its root a moment before anybody hears of its end.
  constexpr int kMomentMs = 1000;
  if (wait_for_exit(container_.pidfd(), kMomentMs)) return;
  context_.warn("the server of the container's root has ended: the container is killed");
  container_.signal(SIGKILL);
}

void Monitor::relay(const Polled& ready) {
  if (ready[InputFrom].revents != 0) input_.read_some(context_);
  if (ready[InputTo].revents != 0) input_.write_some(context_);
  if (ready[OutFrom].revents != 0) output_.read_some(context_);
  if (ready[OutTo].revents != 0) output_.write_some(context_);
  if (ready[ErrFrom].revents != 0) error_.read_some(context_);
  if (ready[ErrTo].revents != 0) error_.write_some(context_);
  close_finished_streams();
}

/// The other side of a pipe learns about an end only when ours is closed.
void Monitor::close_finished_streams() {
  if (!keeps_input_open_ && !input_.source_is_open() && !input_.has_pending()) {
    streams_.input.reset();
  }
  if (!output_.source_is_open()) streams_.output.reset();
  if (!error_.source_is_open()) streams_.error.reset();
}

/// False once the container's process has ended.
bool Monitor::poll_once() {
  Polled wanted{};
  wanted[Signals] = {signals_.fd(), POLLIN, 0};
  wanted[Process] = {ended_ ? -1 : container_.pidfd(), POLLIN, 0};
  // Only its end is waited for, not what it says.
  wanted[RootServer] = {ended_ ? -1 : root_server_, 0, 0};
  wanted[InputFrom] = input_.source_poll();
  wanted[InputTo] = input_.target_poll();
  wanted[OutFrom] = output_.source_poll();
  wanted[OutTo] = output_.target_poll();
  wanted[ErrFrom] = error_.source_poll();
  wanted[ErrTo] = error_.target_poll();
  if (::poll(wanted.data(), wanted.size(), -1) < 0) {
    const int err = errno;
    if (err == EINTR) return true;
    fail_errno(err, "waiting for a container");
  }
  if (wanted[Signals].revents != 0) forward_signals();
  relay(wanted);
  if (wanted[RootServer].revents != 0) end_without_root();
  return wanted[Process].revents == 0;
}

/// Everything the ended container left in its pipes. Bounded: somebody outside may hold their
/// other ends, passed through a socket in a volume.
void Monitor::drain_output() {
  constexpr int kMaxReads = 256;
  for (StreamRelay* stream : {&output_, &error_}) {
    for (int reads = 0; reads < kMaxReads && stream->source_is_open(); ++reads) {
      if (!stream->read_some(context_)) break;
    }
  }
  try {
    if (log_works_) log_.finish();
  } catch (const Error& error) {
    context_.warn(error.message());
  }
}

void Monitor::pass_on_rest() {
  input_.stop();
  while (output_.has_pending() || error_.has_pending())
    poll_once();
}

ExitStatus Monitor::run(const std::function<void(const ExitStatus&)>& on_end) {
  while (poll_once()) {
  }
  ended_ = true;
  const ExitStatus status = container_.wait();
  drain_output();
  on_end(status);
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

ExitStatus watch_container(Container& container,
                           const Fd& root_server,
                           ContainerStreams streams,
                           const Foreground& foreground,
                           SignalReader& signals,
                           LogWriter& log,
                           const std::function<void(const ExitStatus&)>& on_end,
                           const Context& context) {
  return Monitor(container, root_server, std::move(streams), foreground, signals, log, context)
      .run(on_end);
}

}  // namespace layerkit
