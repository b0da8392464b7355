#include <fcntl.h>

#include "home_directory.h"
#include "init_cgroup.h"
#include "join.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/runner/runtime.h"
#include "runtime_parts.h"
#include "seccomp/seccomp_cache.h"
#include "session.h"
#include "spec_check.h"
#include "state_directory.h"

namespace layerkit {
namespace runner {
namespace {

void check_status(const ContainerRecord& record, const Cgroup* cgroup, bool ignores_pause) {
  const ContainerState state = state_of(record);
  if (state.status == ContainerStatus::Stopped)
    fail(Errc::NotFound, "cannot exec in a stopped container: {}", quoted(record.id));
  if (ignores_pause || cgroup == nullptr || !cgroup->frozen()) return;
  fail(Errc::Invalid, "cannot exec in a paused container (use --ignore-paused to override): {}",
       quoted(record.id));
}

std::unique_ptr<Cgroup> cgroup_for(const ContainerRecord& record, std::string nested) {
  if (nested.empty()) {
    std::unique_ptr<Cgroup> own = cgroup_of(record);
    if (own != nullptr) nested = place_of_init(*own, record.cgroups_path, record.pid);
    if (nested.empty()) return own;
  }
  for (const std::string_view part : split(nested, '/')) {
    if (part == "..")
      fail(Errc::Invalid, "bad sub cgroup path {}: `..` components are not allowed",
           quoted(nested));
  }
  const std::string doing =
      fmt::format("joining cgroup {} of container {}", quoted(nested), quoted(record.id));
  if (record.cgroups.empty()) fail(Errc::NotFound, "{}: it has no cgroup", doing);
  std::unique_ptr<Cgroup> cgroup = with_context(
      [&] { return doing; },
      [&] { return find_nested_cgroup(read_cgroup_layout(), record.cgroups_path, nested); });
  if (cgroup == nullptr) fail(Errc::NotFound, "{}: it does not exist", doing);
  return cgroup;
}

}  // namespace
}  // namespace runner

using namespace runner;  // NOLINT(google-build-using-namespace)

ProcessSpec Runtime::process_of(const std::string& id) const {
  return config_of(StateDirectory::open(root_, id)).spec.process;
}

std::unique_ptr<StartedProcess> Runtime::exec(ExecRequest request,
                                              StartFailure& failure,
                                              const Context& context) const {
  failure = StartFailure::Setup;
  const StateDirectory directory = StateDirectory::open(root_, request.id);
  const ContainerRecord record = directory.record();
  const std::unique_ptr<Cgroup> cgroup = cgroup_for(record, request.cgroup);
  check_status(record, cgroup.get(), request.ignores_pause);
  OciConfig config = config_of(directory);
  const ContainerInit init = open_init(record);

  ContainerSpec spec;
  spec.id = request.id;
  spec.process = std::move(request.process);
  spec.seccomp = std::move(config.spec.seccomp);
  spec.personality = config.spec.personality;
  spec.memory_policy = std::move(config.spec.memory_policy);
  check_process(spec.process);
  drop_labels_without_effect(spec, context);
  check_supported(spec);
  hand_down_streams(spec);
  spec.preserved = std::move(request.preserved);
  const Fd root = open_at(AT_FDCWD, fmt::format("/proc/{}/root", init.pid), O_PATH);
  add_home(spec.process, root.get());
  StartEvents events(spec, request.console_socket, request.keeps_terminal);
  const Fd pidfd_socket = connect_pidfd_socket(request.pidfd_socket);
  events.on_state(
      [&](pid_t /*pid*/) { return state_json(full_state_of(directory, record), false); });
  SeccompFilter filter;
  if (spec.seccomp) filter = SeccompCache(root_ + "/.seccomp").get(*spec.seccomp, context);
  LaunchOptions options;
  options.owns_streams = true;
  options.keeps_groups = keeps_groups(config.spec);
  Process process = join_container(std::move(spec), init, cgroup.get(), std::move(options),
                                   std::move(filter), events, failure, context);
  write_pid_file(request.pid_file, process.pid());
  send_pidfd(pidfd_socket, process);
  return started(std::move(process), events.terminal());
}

}  // namespace layerkit
