#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "cgroup_files.h"
#include "hook_run.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/runner/runtime.h"
#include "runtime_parts.h"
#include "spec_check.h"
#include "state_directory.h"

namespace layerkit {
namespace runner {
namespace {

constexpr int kKillPatience = 10'000;  ///< milliseconds for a killed process to go
constexpr int kAbandonedSeconds = 3;   ///< for the process of a killed `create` to go

void send_signal(const ContainerRecord& record, int signal_number) {
  ContainerInit init;
  try {
    init = open_init(record);
  } catch (const Error&) {
    fail(Errc::NotFound, "container not running: {}", quoted(record.id));
  }
  if (::syscall(SYS_pidfd_send_signal, init.pidfd.get(), signal_number, nullptr, 0) == 0) return;
  if (errno == ESRCH) fail(Errc::NotFound, "container not running: {}", quoted(record.id));
  fail_errno(errno, "sending signal {} to container {}", signal_number, quoted(record.id));
}

/// Without a pid namespace of its own, processes of a container may outlive its first one.
bool has_orphans(const StateDirectory& directory,
                 const ContainerRecord& record,
                 const Cgroup* cgroup) {
  return cgroup != nullptr && state_of(record).status == ContainerStatus::Stopped &&
         !cgroup->processes().empty() && !config_of(directory).spec.namespaces.pid.is_new();
}

/// SIGKILL ends the container, not its first process alone. On v1 a frozen one is killed when it is
/// thawed.
void end_container(const StateDirectory& directory, const ContainerRecord& record) {
  const std::unique_ptr<Cgroup> cgroup = cgroup_of(record);
  if (!has_orphans(directory, record, cgroup.get())) send_signal(record, SIGKILL);
  if (cgroup != nullptr) cgroup->signal_all(SIGKILL);
}

std::unique_ptr<Cgroup> need_cgroup(const ContainerRecord& record) {
  std::unique_ptr<Cgroup> cgroup = cgroup_of(record);
  if (cgroup == nullptr) fail(Errc::NotFound, "container {} has no cgroup", quoted(record.id));
  return cgroup;
}

/// That of a `create` that was killed. Its process, unless it was dismissed from the gate, ends by
/// itself, since nobody listens to it any more; what does not end is somebody else's.
void remove_abandoned_cgroup(const StateDirectory& directory,
                             const std::string& id,
                             const Context& context) {
  std::string path;
  try {
    path = cgroup_path_of(config_of(directory).spec.cgroups_path, id);
  } catch (const Error&) {
    return;  // it did not get as far as a cgroup
  }
  const CgroupLayout layout = read_cgroup_layout();
  remove_empty_parents(layout, path);
  const std::unique_ptr<Cgroup> cgroup = find_cgroup(layout, path);
  if (cgroup == nullptr) return;
  const Deadline deadline(kAbandonedSeconds);
  while (!cgroup->processes().empty() && !deadline.has_passed())
    pause_briefly();
  if (cgroup->processes().empty() && cgroup->remove()) return;
  context.warn(
      fmt::format("cgroup {} of container {} is left: it has processes", quoted(path), quoted(id)));
}

}  // namespace

void kill_container(const ContainerRecord& record, Cgroup* cgroup) {
  ContainerInit init;
  try {
    init = open_init(record);
  } catch (const Error&) {
    init = {};
  }
  if (init.pidfd) ::syscall(SYS_pidfd_send_signal, init.pidfd.get(), SIGKILL, nullptr, 0);
  // A frozen one takes no signal on v1; others may be left when there is no pid namespace.
  if (cgroup != nullptr) cgroup->signal_all(SIGKILL);
  if (!init.pidfd) return;
  pollfd poll{init.pidfd.get(), POLLIN, 0};
  int got = 0;
  do {
    got = ::poll(&poll, 1, kKillPatience);
  } while (got < 0 && errno == EINTR);
  if (got == 0)
    fail(Errc::Busy, "killing container {}: its process {} does not end", quoted(record.id),
         record.pid);
}

void destroy_container(const StateDirectory& directory,
                       const ContainerRecord& record,
                       const Context& context) {
  const std::unique_ptr<Cgroup> cgroup = cgroup_of(record);
  // Its creator died before it wrote down which process waits there.
  if (record.pid == 0) directory.dismiss();
  // Who deleted it earlier may have been killed between its cgroups and those above them.
  const std::size_t found = cgroup == nullptr ? 0 : cgroup->directories().size();
  if (found < record.cgroups.size())
    remove_empty_parents(read_cgroup_layout(), record.cgroups_path);
  kill_container(record, cgroup.get());
  if (cgroup != nullptr && !cgroup->remove())
    fail(Errc::Busy, "deleting container {}: its cgroup {} cannot be removed", quoted(record.id),
         quoted(record.cgroups_path));
  ContainerState state = state_of(record);
  state.status = ContainerStatus::Stopped;
  state.pid = 0;
  std::vector<Hook> hooks;
  try {
    if (record.has_poststop_hooks) hooks = config_of(directory).spec.hooks.poststop;
  } catch (const Error& error) {
    context.warn(error.message());
  }
  directory.remove();
  run_poststop_hooks(hooks, state_json(state, false), context);
}

}  // namespace runner

using namespace runner;  // NOLINT(google-build-using-namespace)

void Runtime::kill(const std::string& id, int signal_number, bool all) const {
  const StateDirectory directory = StateDirectory::open(root_, id);
  const ContainerRecord record = directory.record();
  if (!all && signal_number == SIGKILL) {
    end_container(directory, record);
    return;
  }
  if (!all) {
    send_signal(record, signal_number);
    return;
  }
  if (const std::unique_ptr<Cgroup> cgroup = cgroup_of(record)) {
    cgroup->signal_all(signal_number);
    return;
  }
  send_signal(record, signal_number);
}

void Runtime::remove(const std::string& id, bool force, const Context& context) const {
  std::optional<StateDirectory> directory;
  try {
    directory.emplace(StateDirectory::open_locked(root_, id, context));
  } catch (const Error& error) {
    if (force && error.code() == Errc::NotFound) return;
    throw;
  }
  ContainerRecord record;
  try {
    record = directory->unfinished_record();
  } catch (const Error& error) {
    // Whoever made it died on the way, or it is damaged. One that cannot be read now may belong to
    // a living container.
    const bool is_lost = error.code() == Errc::NotFound || error.code() == Errc::Invalid;
    if (!force || !is_lost) throw;
    directory->dismiss();
    if (uses_cgroups_) remove_abandoned_cgroup(*directory, id, context);
    directory->remove();
    return;
  }
  const ContainerState state = full_state_of(*directory, record);
  const bool may_be_removed =
      state.status == ContainerStatus::Stopped || state.status == ContainerStatus::Created;
  if (!may_be_removed && !force) {
    fail(Errc::Busy, "cannot delete container {} that is not stopped: {}", quoted(id),
         status_name(state.status));
  }
  destroy_container(*directory, record, context);
}

void Runtime::pause(const std::string& id, const Context& context) const {
  const StateDirectory directory = StateDirectory::open_locked(root_, id, context);
  const ContainerRecord record = directory.record();
  const ContainerStatus status = full_state_of(directory, record).status;
  if (status != ContainerStatus::Running && status != ContainerStatus::Created)
    fail(Errc::Invalid, "container not running or created: {} is {}", quoted(id),
         status_name(status));
  need_cgroup(record)->freeze();
}

void Runtime::resume(const std::string& id, const Context& context) const {
  const StateDirectory directory = StateDirectory::open_locked(root_, id, context);
  const ContainerRecord record = directory.record();
  const std::unique_ptr<Cgroup> cgroup = need_cgroup(record);
  if (!cgroup->frozen()) fail(Errc::Invalid, "container not paused: {}", quoted(id));
  cgroup->thaw();
}

std::vector<pid_t> Runtime::processes(const std::string& id) const {
  const StateDirectory directory = StateDirectory::open(root_, id);
  const ContainerRecord record = directory.record();
  if (const std::unique_ptr<Cgroup> cgroup = cgroup_of(record)) return cgroup->processes();
  if (state_of(record).status == ContainerStatus::Stopped) return {};
  if (!config_of(directory).spec.namespaces.pid.is_new()) return {record.pid};
  return processes_around(record);
}

Fd Runtime::first_process(const std::string& id) const {
  return open_init(StateDirectory::open(root_, id).record()).pidfd;
}

CgroupStats Runtime::stats(const std::string& id) const {
  const StateDirectory directory = StateDirectory::open(root_, id);
  return need_cgroup(directory.record())->stats();
}

bool Runtime::out_of_memory(const std::string& id) const {
  const StateDirectory directory = StateDirectory::open(root_, id);
  const std::unique_ptr<Cgroup> cgroup = cgroup_of(directory.record());
  return cgroup != nullptr && cgroup->out_of_memory();
}

void Runtime::update(const std::string& id,
                     const Resources& resources,
                     const Context& context) const {
  check_resources(resources);
  const StateDirectory directory = StateDirectory::open_locked(root_, id, context);
  const ContainerRecord record = directory.record();
  if (state_of(record).status == ContainerStatus::Stopped)
    fail(Errc::Invalid, "container not running: {}", quoted(id));
  need_cgroup(record)->apply(resources);
}

ContainerState Runtime::state(const std::string& id) const {
  const StateDirectory directory = StateDirectory::open(root_, id);
  return full_state_of(directory, directory.record());
}

std::vector<ContainerState> Runtime::list(const Context& context) const {
  std::vector<ContainerState> states;
  for (const std::string& id : container_ids(root_)) {
    try {
      states.push_back(state(id));
    } catch (const Error& error) {
      if (error.code() != Errc::NotFound) context.warn(error.message());
    }
  }
  return states;
}

}  // namespace layerkit
