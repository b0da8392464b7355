#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bundle.h"
#include "home_directory.h"
#include "hook_run.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/runner/runtime.h"
#include "network_ahead.h"
#include "process.h"
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

/// Those of a namespace whose ids are the caller's.
std::vector<IdMapping> own_mappings(const std::string& map) {
  std::vector<IdMapping> mappings = read_id_map(map);
  for (IdMapping& mapping : mappings)
    mapping.host_id = mapping.container_id;
  return mappings;
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
  record.owner = request.rootless_owner.value_or(::geteuid());
  record.annotations = bundle.config.spec.annotations;
  record.cgroups_path = cgroup_path_of(bundle.config.spec.cgroups_path, request.id);
  const Hooks& hooks = bundle.config.spec.hooks;
  record.has_process = !bundle.config.spec.process.args.empty();
  record.has_start_hooks = !hooks.start_container.empty() || !hooks.poststart.empty();
  record.has_poststop_hooks = !hooks.poststop.empty();
  return record;
}

std::string hook_state_of(const ContainerRecord& record, ContainerStatus status) {
  ContainerState state = state_of(record);
  state.status = status;
  return state_json(state, false);
}

void set_pid(ContainerRecord& record, pid_t pid) {
  record.pid = pid;
  record.start_time = start_time_of(pid);
}

/// A user namespace without mappings has the ids that the caller has itself; an ordinary user's is
/// root in there.
void add_default_mappings(ContainerSpec& spec) {
  if (!spec.namespaces.user.is_new() || !spec.uid_mappings.empty() || !spec.gid_mappings.empty())
    return;
  if (::geteuid() != 0) {
    spec.uid_mappings = {{0, ::geteuid(), 1}};
    spec.gid_mappings = {{0, ::getegid(), 1}};
    return;
  }
  spec.uid_mappings = own_mappings("/proc/self/uid_map");
  spec.gid_mappings = own_mappings("/proc/self/gid_map");
}

/// What a failure has to undo beside what undoes itself: runtime-spec, "Lifecycle", step 12.
struct AfterFailure {
  std::vector<Hook> poststop;  ///< once other hooks were begun
  std::string state;           ///< what they are told
};

/// Whether there is nothing to be done between the making of a container and its start. Without a
/// cgroup a program that was started just before this process is killed might not be found again.
bool may_start_at_once(const ContainerRecord& record,
                       const CreateRequest& request,
                       const Hooks& hooks) {
  return record.has_process && !record.has_start_hooks && !has_hooks(hooks) &&
         request.pid_file.empty() && request.pidfd_socket.empty();
}

/// What a Runtime is made of.
struct RuntimePlace {
  const std::string& root;
  bool uses_cgroups;
};

struct Made {
  std::unique_ptr<StartedProcess> process;
  bool is_started = false;  ///< false: it waits at the gate
};

/// Starts the process of a container whose state directory is there.
Made create_in(const StateDirectory& directory,
               const RuntimePlace& place,
               CreateRequest& request,
               bool may_start,
               Bundle bundle,
               AfterFailure& after,
               StartFailure& failure,
               const Context& context) {
  ContainerRecord record = make_record(request, bundle);
  directory.write_config(bundle.text);
  ContainerSpec& spec = bundle.config.spec;
  spec.id = request.id;
  spec.cgroups_path = record.cgroups_path;
  if (request.rootless_owner) {
    spec.namespaces.user = {Namespace::From::Caller, {}};
    spec.uid_mappings.clear();
    spec.gid_mappings.clear();
  }
  add_default_mappings(spec);
  drop_labels_without_effect(spec, context);
  LaunchOptions options;
  if (spec.process.args.empty()) {
    // A container without a process can be made, and not be started.
    options.runs_nothing = true;
    spec.process.args = {"none"};
    if (spec.process.cwd.empty()) spec.process.cwd = "/";
  }
  if (spec.seccomp && has_annotation(spec, "run.oci.seccomp_fail_unknown_syscall"))
    spec.seccomp->refuses_unknown_calls = true;
  check_spec(spec);
  NetworkAhead network(spec.namespaces);
  hand_down_streams(spec);
  spec.preserved = std::move(request.preserved);
  spec.process.env.insert(spec.process.env.end(), request.env.begin(), request.env.end());
  add_home(spec.process, bundle.root.get());
  const Hooks hooks = spec.hooks;

  StartEvents events(spec, request.console_socket, request.keeps_terminal);
  const Fd pidfd_socket = connect_pidfd_socket(request.pidfd_socket);
  options.rootfs_place = bundle.rootfs;
  options.pivots = request.pivots;
  options.new_keyring = request.new_keyring;
  options.owns_streams = true;
  options.keeps_groups = keeps_groups(spec);
  Fd hook_state;
  if (has_hooks(hooks)) {
    hook_state = hook_input({});
    options.hook_state = hook_state.duplicate();
    options.hook_output = hook_output();
  }
  events.on_state([&](pid_t pid) {
    set_pid(record, pid);
    return hook_state_of(record, ContainerStatus::Creating);
  });
  events.on_hooks([&](pid_t pid) {
    set_pid(record, pid);
    after.poststop = hooks.poststop;
    // Hooks may ask for it.
    directory.write_record(record);
    const std::string state = hook_state_of(record, ContainerStatus::Creating);
    replace_hook_input(hook_state, state);
    // The oldest kind is told what it always was.
    run_hooks("prestart", hooks.prestart, hook_state_of(record, ContainerStatus::Created));
    run_hooks("createRuntime", hooks.create_runtime, state);
  });

  // From now on it is known where it is. Nobody may join it earlier.
  events.on_prepared([&](pid_t pid) {
    set_pid(record, pid);
    directory.write_record(record);
  });

  const CgroupLayout layout = place.uses_cgroups ? read_cgroup_layout() : CgroupLayout{};
  // An ordinary user seldom has cgroups of its own; what needs one is refused.
  Context about_cgroups = context;
  if (request.rootless_owner) about_cgroups.warn = [](const std::string&) {};
  const std::unique_ptr<Cgroup> cgroup =
      make_cgroup(layout, spec.cgroups_path, spec.resources, about_cgroups);
  SeccompFilter filter;
  if (spec.seccomp) filter = SeccompCache(place.root + "/.seccomp").get(*spec.seccomp, context);
  record.cgroups = cgroup->directories();
  const bool starts =
      may_start && !record.cgroups.empty() && may_start_at_once(record, request, hooks);
  if (!starts) options.gate = directory.make_gate();
  // Should this process be killed, it is known what there is to remove.
  directory.write_record(record);
  after.state = hook_state_of(record, ContainerStatus::Stopped);
  ReportSocket socket = make_report_socket();
  options.network = network.take();
  Plan plan(std::move(spec), std::move(bundle.root), std::move(socket.child), *cgroup,
            std::move(options), std::move(filter));
  Process process = launch(plan, std::move(socket.parent), cgroup.get(), events, failure, context);
  write_pid_file(request.pid_file, process.pid());
  send_pidfd(pidfd_socket, process);
  cgroup->keep();
  return {started(std::move(process), events.terminal()), starts};
}

Made make_container(const RuntimePlace& place,
                    CreateRequest request,
                    bool may_start,
                    StartFailure& failure,
                    const Context& context) {
  failure = StartFailure::Setup;
  check_id(request.id);
  const StateDirectory directory = StateDirectory::make(place.root, request.id, context);
  AfterFailure after;
  try {
    Bundle bundle = open_bundle(request.bundle, request.config, context);
    return create_in(directory, place, request, may_start, std::move(bundle), after, failure,
                     context);
  } catch (...) {
    try {
      directory.remove();
      run_poststop_hooks(after.poststop, after.state, context);
    } catch (const Error& error) {
      context.warn(error.message());
    }
    throw;
  }
}

}  // namespace
}  // namespace runner

using namespace runner;  // NOLINT(google-build-using-namespace)

std::unique_ptr<StartedProcess> Runtime::create(CreateRequest request,
                                                StartFailure& failure,
                                                const Context& context) const {
  return make_container({root_, uses_cgroups_}, std::move(request), false, failure, context)
      .process;
}

std::unique_ptr<StartedProcess> Runtime::run(CreateRequest request,
                                             StartFailure& failure,
                                             const Context& context) const {
  const std::string id = request.id;
  Made made = make_container({root_, uses_cgroups_}, std::move(request), true, failure, context);
  if (made.is_started) return std::move(made.process);
  try {
    context.check_interrupted();
    start(id, context);
  } catch (...) {
    Context about_removal = context;
    about_removal.interrupted = nullptr;  // that may be the reason
    try {
      remove(id, true, about_removal);
    } catch (const Error& error) {
      context.warn(error.message());
    }
    throw;
  }
  return std::move(made.process);
}

}  // namespace layerkit
