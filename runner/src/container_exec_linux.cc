#include "init_cgroup.h"
#include "launch.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/runner/container_exec.h"
#include "runtime/session.h"
#include "seccomp/seccomp_cache.h"
#include "seccomp/seccomp_filter.h"
#include "spec_check.h"
#include "terminal_events.h"

namespace layerkit {
namespace runner {
namespace {

/// What stops, limits and counts the container does so with the process, too: without it, none.
std::unique_ptr<Cgroup> cgroup_to_join(const std::string& path, pid_t init) {
  const CgroupLayout layout = read_cgroup_layout();
  auto own = find_cgroup(layout, path);
  if (own == nullptr) fail(Errc::NotFound, "joining cgroup {}: it does not exist", quoted(path));
  const std::string nested = place_of_init(*own, path, init);
  if (nested.empty()) return own;
  auto found = find_nested_cgroup(layout, path, nested);
  if (found == nullptr)
    fail(Errc::NotFound, "joining cgroup {}: it does not exist", quoted(path + "/" + nested));
  return found;
}

SeccompFilter filter_of(const ContainerExec& exec, const Context& context) {
  if (!exec.seccomp) return {};
  if (exec.seccomp_cache.empty()) return compile_seccomp(*exec.seccomp, context);
  return SeccompCache(exec.seccomp_cache).get(*exec.seccomp, context);
}

}  // namespace
}  // namespace runner

using namespace runner;  // NOLINT(google-build-using-namespace)

std::unique_ptr<StartedProcess> exec_in_container(ContainerExec exec,
                                                  StartFailure& failure,
                                                  const Context& context) {
  failure = StartFailure::Setup;
  context.check_interrupted();
  const auto cgroup = cgroup_to_join(exec.cgroups_path, exec.init);
  SeccompFilter filter = filter_of(exec, context);
  ContainerSpec spec;
  spec.id = "exec";
  spec.process = std::move(exec.process);
  spec.seccomp = std::move(exec.seccomp);
  spec.standard_input = std::move(exec.standard_input);
  spec.standard_output = std::move(exec.standard_output);
  spec.standard_error = std::move(exec.standard_error);
  check_process(spec.process);
  check_supported(spec);
  ContainerInit init;
  init.pid = exec.init;
  init.pidfd = std::move(exec.init_pidfd);
  ReportSocket socket = make_report_socket();
  Plan plan(std::move(spec), init, std::move(socket.child), cgroup.get(), {}, std::move(filter));
  TerminalEvents events;
  Process process = launch(plan, std::move(socket.parent), cgroup.get(), events, failure, context);
  return started(std::move(process), events.terminal());
}

}  // namespace layerkit
