#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "failure.h"
#include "launch.h"
#include "layerkit/base/error.h"

namespace layerkit::runner {
namespace {

struct Received {
  Report report;
  Fd fd;
};

void let_go_on(int socket) {
  const char byte = 1;
  if (::send(socket, &byte, sizeof(byte), MSG_NOSIGNAL) >= 0) return;
  const int error = errno;
  // A child that died meanwhile says so by the end of the stream.
  if (error == EPIPE || error == ECONNRESET) return;
  fail_errno(error, "letting the container's process go on");
}

/// Until there is something to receive, or the child has died.
void await_report(int socket, const Process& process, const Context& context) {
  pollfd polls[2] = {{socket, POLLIN, 0}, {process.pidfd(), POLLIN, 0}};
  while (::poll(polls, 2, -1) < 0) {
    if (errno != EINTR) fail_errno(errno, "waiting for the container's report");
    context.check_interrupted();
  }
}

/// nullopt at the end of the stream: the program was executed, or the child died.
std::optional<Received> receive(int socket, const Process& process, const Context& context) {
  Received received;
  iovec text{&received.report, sizeof(received.report)};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  for (;;) {
    await_report(socket, process, context);
    msghdr message{};
    message.msg_iov = &text;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    const ssize_t got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) {
      context.check_interrupted();
      continue;
    }
    // ECONNRESET: it died with a byte of ours unread. EAGAIN: the process that joins namespaces
    // died without a word of the one that it had made, which ends when nobody listens any more.
    if (got < 0 && errno != ECONNRESET && errno != EAGAIN)
      fail_errno(errno, "reading the container's report");
    if (got < 0) return std::nullopt;
    if (const cmsghdr* header = CMSG_FIRSTHDR(&message);
        header != nullptr && header->cmsg_type == SCM_RIGHTS) {
      received.fd = Fd(*reinterpret_cast<const int*>(CMSG_DATA(header)));
    }
    if (got != static_cast<ssize_t>(sizeof(received.report))) return std::nullopt;
    return received;
  }
}

Fd fetch_descriptor(const Process& process, unsigned number) {
  Fd fd(static_cast<int>(::syscall(SYS_pidfd_getfd, process.pidfd(), number, 0)));
  if (!fd) fail_errno(errno, "fetching the listener of the seccomp filter");
  return fd;
}

[[noreturn]] void fail_with_death(Process& process, const Cgroup* cgroup) {
  const ExitStatus status = process.wait();
  if (cgroup != nullptr && cgroup->out_of_memory())
    fail(Errc::Limit, "starting the container: the memory limit is too small to set it up");
  fail(Errc::Io, "starting the container: its process ended while it was set up (status {})",
       status.code);
}

/// Answers one report; true when the child is ready.
bool answer(Received received,
            int socket,
            const Plan& plan,
            Process& process,
            LaunchEvents& events,
            StartFailure& failure) {
  switch (received.report.step) {
    case Step::Ready:
      events.prepared(process.pid());
      return true;
    case Step::NeedsMappings:
      process.write_mappings(plan.spec().uid_mappings, plan.spec().gid_mappings);
      break;
    case Step::Cloned:
      if (!plan.flat().has_stage || process.is_adopted())
        fail(Errc::Invalid, "starting the container: its process was told of twice");
      process.adopt(static_cast<pid_t>(received.report.index), std::move(received.fd));
      break;
    case Step::Terminal:
      events.take_terminal(std::move(received.fd));
      break;
    case Step::NeedsHooks:
      events.run_hooks(process.pid());
      break;
    case Step::SeccompListener:
      events.take_seccomp_listener(fetch_descriptor(process, received.report.index), process.pid());
      break;
    default:
      failure = classify(received.report);
      throw describe(received.report, plan);
  }
  let_go_on(socket);
  return false;
}

}  // namespace

ReportSocket make_report_socket() {
  int ends[2] = {-1, -1};
  // Packets: a report arrives whole or not at all.
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    fail_errno(errno, "creating the report socket");
  return ReportSocket{Fd(ends[0]), Fd(ends[1])};
}

Process launch(Plan& plan,
               Fd socket,
               const Cgroup* cgroup,
               LaunchEvents& events,
               StartFailure& failure,
               const Context& context) {
  const bool is_gated = plan.is_gated();
  Process process(plan, cgroup != nullptr ? cgroup->clone_directory() : -1);
  plan.close_report();
  if (plan.flat().waits_for_mappings) {
    process.write_mappings(plan.spec().uid_mappings, plan.spec().gid_mappings);
    let_go_on(socket.get());
  }
  bool is_ready = false;
  while (auto received = receive(socket.get(), process, context)) {
    is_ready = answer(std::move(*received), socket.get(), plan, process, events, failure);
    if (is_ready && is_gated) break;
  }
  if (!is_ready) fail_with_death(process, cgroup);
  return process;
}

}  // namespace layerkit::runner
