#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "failure.h"
#include "layerkit/base/error.h"
#include "layerkit/runner/container.h"
#include "process.h"
#include "spec_check.h"
#include "start.h"

namespace layerkit {
namespace runner {
namespace {

class RunningContainer final : public Container {
 public:
  RunningContainer(std::unique_ptr<Cgroup> cgroup, Process process)
      : cgroup_(std::move(cgroup)), process_(std::move(process)) {}

  pid_t pid() const noexcept override { return process_.pid(); }
  int pidfd() const noexcept override { return process_.pidfd(); }
  void signal(int signal_number) override { process_.signal(signal_number); }

  ExitStatus wait() override {
    if (status_) return *status_;
    ExitStatus status = process_.wait();
    status.out_of_memory = cgroup_->out_of_memory();
    status_ = status;
    cgroup_->remove();
    return status;
  }

 private:
  std::unique_ptr<Cgroup> cgroup_;  // outlives the process: it is empty when it is removed
  Process process_;
  std::optional<ExitStatus> status_;
};

struct ReportSocket {
  Fd parent;
  Fd child;
};

ReportSocket make_report_socket() {
  int ends[2] = {-1, -1};
  // Packets: a report arrives whole or not at all.
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    fail_errno(errno, "creating the report socket");
  }
  return ReportSocket{Fd(ends[0]), Fd(ends[1])};
}

void let_go_on(int socket) {
  const char byte = 1;
  // A child that died meanwhile says so by the end of the stream.
  (void)::send(socket, &byte, sizeof(byte), MSG_NOSIGNAL);
}

/// nullopt at the end of the stream: the program was executed, or the child died.
std::optional<Report> next_report(int socket, const Context& context) {
  Report report;
  for (;;) {
    const ssize_t got = ::recv(socket, &report, sizeof(report), 0);
    if (got == static_cast<ssize_t>(sizeof(report))) return report;
    if (got >= 0) return std::nullopt;
    // ECONNRESET: it died with a byte of ours unread.
    if (errno == ECONNRESET) return std::nullopt;
    if (errno != EINTR) fail_errno(errno, "reading the container's report");
    context.check_interrupted();
  }
}

[[noreturn]] void fail_with_death(Process& process, const Cgroup& cgroup) {
  const ExitStatus status = process.wait();
  if (cgroup.out_of_memory()) {
    fail(Errc::Limit, "starting the container: the memory limit is too small to set it up");
  }
  fail(Errc::Io, "starting the container: its process ended while it was set up (status {})",
       status.code);
}

/// Returns once the program runs.
void await_exec(int socket,
                const Plan& plan,
                Process& process,
                const Cgroup& cgroup,
                StartFailure& failure,
                const Context& context) {
  bool is_ready = false;
  while (const std::optional<Report> report = next_report(socket, context)) {
    if (report->step != Step::Ready) {
      failure = classify(*report);
      throw describe(*report, plan);
    }
    is_ready = true;
  }
  if (!is_ready) fail_with_death(process, cgroup);
}

}  // namespace

std::unique_ptr<Container> start_with_cgroups(const CgroupLayout& layout,
                                              ContainerSpec spec,
                                              Fd rootfs,
                                              StartFailure* failure,
                                              const Context& context) {
  StartFailure ignored = StartFailure::Setup;
  StartFailure& kind = failure != nullptr ? *failure : ignored;
  kind = StartFailure::Setup;
  check_spec(spec);
  if (!rootfs) fail(Errc::Invalid, "starting the container: it has no root file system");
  context.check_interrupted();
  std::unique_ptr<Cgroup> cgroup = make_cgroup(layout, spec.cgroups_path, spec.resources, context);
  ReportSocket socket = make_report_socket();
  Plan plan(std::move(spec), std::move(rootfs), std::move(socket.child), *cgroup);
  Process process(plan, cgroup->clone_directory());
  plan.close_report();
  if (plan.spec().namespaces.user.is_new()) {
    process.write_mappings(plan.spec().uid_mappings, plan.spec().gid_mappings);
    let_go_on(socket.parent.get());
  }
  await_exec(socket.parent.get(), plan, process, *cgroup, kind, context);
  return std::make_unique<RunningContainer>(std::move(cgroup), std::move(process));
}

}  // namespace runner

std::unique_ptr<Container> start_container(ContainerSpec spec,
                                           Fd rootfs,
                                           StartFailure* failure,
                                           const Context& context) {
  return runner::start_with_cgroups(runner::read_cgroup_layout(), std::move(spec),
                                    std::move(rootfs), failure, context);
}

bool remove_container_cgroups(const std::string& cgroups_path) {
  const std::unique_ptr<runner::Cgroup> cgroup =
      runner::find_cgroup(runner::read_cgroup_layout(), cgroups_path);
  if (cgroup == nullptr) return false;
  cgroup->remove();
  return true;
}

}  // namespace layerkit
