#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bundle.h"
#include "home_directory.h"
#include "hook_run.h"
#include "layerkit/base/error.h"
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

/// RFC 3339 with nanoseconds.
std::string now() {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  tm parts{};
  ::gmtime_r(&time.tv_sec, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     time.tv_nsec);
}

bool has_hooks(const Hooks& hooks) {
  return !hooks.prestart.empty() || !hooks.create_runtime.empty() ||
         !hooks.create_container.empty();
}

ContainerRecord make_record(const CreateRequest& request, const Bundle& bundle) {
  ContainerRecord record;
  record.oci_version = bundle.config.oci_version;
  record.id = request.id;
  record.bundle = bundle.path;
  record.rootfs = bundle.rootfs;
  record.created = now();
  record.owner = ::geteuid();
  record.annotations = bundle.config.spec.annotations;
  record.cgroups_path = cgroup_path_of(bundle.config.spec.cgroups_path, request.id);
  return record;
}

std::string creating_state(const ContainerRecord& record) {
  ContainerState state = state_of(record);
  state.status = ContainerStatus::Creating;
  return state_json(state, false);
}

void set_pid(ContainerRecord& record, pid_t pid) {
  record.pid = pid;
  record.start_time = start_time_of(pid);
}

/// Starts the process of a container whose state directory is there.
std::unique_ptr<StartedProcess> create_in(const StateDirectory& directory,
                                          const std::string& root,
                                          const CreateRequest& request,
                                          Bundle bundle,
                                          StartFailure& failure,
                                          const Context& context) {
  ContainerRecord record = make_record(request, bundle);
  directory.write_config(bundle.text);
  ContainerSpec& spec = bundle.config.spec;
  spec.id = request.id;
  spec.cgroups_path = record.cgroups_path;
  check_spec(spec);
  hand_down_descriptors(spec, request.preserved);
  add_home(spec.process, bundle.root.get());
  const Hooks hooks = spec.hooks;

  StartEvents events(spec, request.console_socket, request.keeps_terminal);
  LaunchOptions options;
  options.gate = directory.make_gate();
  options.rootfs_place = bundle.rootfs;
  options.pivots = request.pivots;
  options.new_keyring = request.new_keyring;
  Fd hook_state;
  if (has_hooks(hooks)) {
    hook_state = hook_input({});
    options.hook_state = hook_state.duplicate();
    options.hook_output = hook_output();
  }
  events.on_state([&](pid_t pid) {
    set_pid(record, pid);
    return creating_state(record);
  });
  events.on_hooks([&](pid_t pid) {
    set_pid(record, pid);
    // Hooks may ask for it.
    directory.write_record(record);
    const std::string state = creating_state(record);
    replace_hook_input(hook_state, state);
    run_hooks("prestart", hooks.prestart, state);
    run_hooks("createRuntime", hooks.create_runtime, state);
  });

  const CgroupLayout layout = read_cgroup_layout();
  const std::unique_ptr<Cgroup> cgroup =
      make_cgroup(layout, spec.cgroups_path, spec.resources, context);
  SeccompFilter filter;
  if (spec.seccomp) filter = SeccompCache(root + "/.seccomp").get(*spec.seccomp, context);
  ReportSocket socket = make_report_socket();
  Plan plan(std::move(spec), std::move(bundle.root), std::move(socket.child), *cgroup,
            std::move(options), std::move(filter));
  Process process = launch(plan, std::move(socket.parent), cgroup.get(), events, failure, context);
  set_pid(record, process.pid());
  directory.write_record(record);
  write_pid_file(request.pid_file, process.pid());
  cgroup->keep();
  return started(std::move(process), events.terminal());
}

}  // namespace
}  // namespace runner

std::unique_ptr<StartedProcess> Runtime::create(const CreateRequest& request,
                                                StartFailure& failure,
                                                const Context& context) const {
  using namespace runner;  // NOLINT(google-build-using-namespace)
  failure = StartFailure::Setup;
  check_id(request.id);
  const StateDirectory directory = StateDirectory::make(root_, request.id);
  try {
    Bundle bundle = open_bundle(request.bundle, request.config, context);
    return create_in(directory, root_, request, std::move(bundle), failure, context);
  } catch (const Error&) {
    directory.remove();
    throw;
  }
}

}  // namespace layerkit
