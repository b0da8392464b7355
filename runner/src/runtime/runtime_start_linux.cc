#include "hook_run.h"
#include "join.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/runner/runtime.h"
#include "runtime_parts.h"
#include "state_directory.h"

namespace layerkit {

using namespace runner;  // NOLINT(google-build-using-namespace)

void Runtime::start(const std::string& id, const Context& context) const {
  const StateDirectory directory = StateDirectory::open_locked(root_, id, context);
  const ContainerRecord record = directory.record();
  ContainerState state = full_state_of(directory, record);
  if (state.status == ContainerStatus::Stopped)
    fail(Errc::Invalid, "cannot start a container that has stopped: {}", quoted(id));
  if (state.status != ContainerStatus::Created)
    fail(Errc::Invalid, "cannot start an already running container: {}", quoted(id));
  if (!record.has_process) {
    kill_container(record, cgroup_of(record).get());
    fail(Errc::Invalid, "cannot start container {}: its config.json has no process", quoted(id));
  }
  OciConfig config;
  if (record.has_start_hooks) config = config_of(directory);
  const std::vector<Hook>& poststart = config.spec.hooks.poststart;
  try {
    run_start_container_hooks(config, record, state_json(state, false),
                              SeccompCache(root_ + "/.seccomp"), context);
    // Poststart hooks are for when the program runs.
    directory.open_gate(!poststart.empty());
    state.status = ContainerStatus::Running;
    if (!poststart.empty()) run_hooks("poststart", poststart, state_json(state, false));
  } catch (const Error&) {
    destroy_container(directory, record, context);
    throw;
  }
}

}  // namespace layerkit
