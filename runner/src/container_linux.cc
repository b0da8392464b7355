#include <optional>

#include "launch.h"
#include "layerkit/base/error.h"
#include "layerkit/runner/container.h"
#include "network_ahead.h"
#include "process.h"
#include "seccomp/seccomp_cache.h"
#include "seccomp/seccomp_filter.h"
#include "spec_check.h"
#include "start.h"
#include "terminal_events.h"

namespace layerkit {
namespace runner {
namespace {

class RunningContainer final : public Container {
 public:
  RunningContainer(std::unique_ptr<Cgroup> cgroup, Process process, Fd terminal)
      : cgroup_(std::move(cgroup)), process_(std::move(process)), terminal_(std::move(terminal)) {}

  pid_t pid() const noexcept override { return process_.pid(); }
  int pidfd() const noexcept override { return process_.pidfd(); }
  Fd take_terminal() override { return std::move(terminal_); }
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
  Fd terminal_;
  std::optional<ExitStatus> status_;
};

/// What takes more than a process of the caller's.
void check_needs_no_runtime(const ContainerSpec& spec) {
  const Hooks& hooks = spec.hooks;
  for (const auto* list : {&hooks.prestart, &hooks.create_runtime, &hooks.create_container,
                           &hooks.start_container, &hooks.poststart, &hooks.poststop}) {
    if (!list->empty())
      fail(Errc::Unsupported, "starting the container: hooks are run by Runtime alone");
  }
  if (spec.seccomp && !spec.seccomp->listener_path.empty())
    fail(Errc::Unsupported, "starting the container: a seccomp listener is told by Runtime alone");
}

SeccompFilter seccomp_filter(const ContainerSpec& spec, const Context& context) {
  if (spec.seccomp_cache.empty()) return compile_seccomp(*spec.seccomp, context);
  return SeccompCache(spec.seccomp_cache).get(*spec.seccomp, context);
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
  check_needs_no_runtime(spec);
  if (!rootfs) fail(Errc::Invalid, "starting the container: it has no root file system");
  context.check_interrupted();
  NetworkAhead network(spec.namespaces);
  std::unique_ptr<Cgroup> cgroup = make_cgroup(layout, spec.cgroups_path, spec.resources, context);
  ReportSocket socket = make_report_socket();
  SeccompFilter filter;
  if (spec.seccomp) filter = seccomp_filter(spec, context);
  LaunchOptions options;
  options.network = network.take();
  Plan plan(std::move(spec), std::move(rootfs), std::move(socket.child), *cgroup,
            std::move(options), std::move(filter));
  TerminalEvents events;
  Process process = launch(plan, std::move(socket.parent), cgroup.get(), events, kind, context);
  return std::make_unique<RunningContainer>(std::move(cgroup), std::move(process),
                                            events.terminal());
}

}  // namespace runner

std::unique_ptr<Container> start_container(ContainerSpec spec,
                                           Fd rootfs,
                                           StartFailure* failure,
                                           const Context& context) {
  return runner::start_with_cgroups(runner::read_cgroup_layout(), std::move(spec),
                                    std::move(rootfs), failure, context);
}

}  // namespace layerkit
