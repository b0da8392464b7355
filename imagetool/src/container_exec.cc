#include "layerkit/imagetool/container_exec.h"

#include <fcntl.h>

#include "container_monitor.h"
#include "container_start.h"
#include "exec_session.h"
#include "layerkit/base/error.h"
#include "layerkit/base/root_dir.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/container_pause.h"
#include "layerkit/runner/container_exec.h"
#include "running_root.h"
#include "user_terminal.h"

namespace layerkit {
namespace {

struct RunningInit {
  pid_t pid = -1;
  Fd pidfd;
};

RunningInit find_init(const ContainerStore& store, const ContainerInfo& container) {
  const auto state = store.state(container.id);
  auto process = state && state->status == ContainerStatus::Running && state->init
                     ? open_process(*state->init)
                     : std::nullopt;
  if (!process) fail(Errc::Invalid, "container {} is not running", container.name);
  if (is_paused(container)) {
    fail(Errc::Invalid, "container {} is paused, unpause the container before exec",
         container.name);
  }
  return {state->init->pid, std::move(*process)};
}

ProcessSpec plan_process_in(const ContainerInfo& container,
                            const ContainerCommand& command,
                            const RootDir& root) {
  if (!command.working_dir.empty() && command.working_dir.front() != '/') {
    fail(Errc::Invalid, "the working directory {} is invalid, it needs to be an absolute path",
         layerkit::quoted(command.working_dir));
  }
  return plan_command(container, command, root);
}

/// `failure` is set as soon as the container runs and the command alone may be at fault.
ContainerExec plan_exec(const ContainerStore& store,
                        const ContainerInfo& container,
                        const ContainerCommand& command,
                        std::optional<StartFailure>& failure) {
  RunningInit init = find_init(store, container);
  // Without what is mounted in it: nothing that the container mounts is looked at.
  const Fd mount = clone_root_of_process(init.pid);
  // The number meant that process all the time.
  if (wait_for_exit(init.pidfd.get(), 0))
    fail(Errc::Invalid, "container {} is not running", container.name);
  const RootDir root(open_at(mount.get(), ".", O_PATH | O_DIRECTORY));
  failure = StartFailure::Setup;
  ContainerExec exec;
  exec.process = plan_process_in(container, command, root);
  exec.seccomp = planned_seccomp(container.options);
  exec.seccomp_cache = store.images().root() + "/seccomp";
  exec.cgroups_path = cgroups_path_of(container);
  exec.init = init.pid;
  exec.init_pidfd = std::move(init.pidfd);
  return exec;
}

std::unique_ptr<StartedProcess> start(ContainerExec exec,
                                      TerminalHolder holder,
                                      SignalReader& signals,
                                      std::optional<StartFailure>& failure,
                                      const Context& context) {
  StartFailure kind = StartFailure::Setup;
  try {
    return start_exec_session(std::move(exec), holder, signals, kind, context);
  } catch (const Error&) {
    failure = kind;
    throw;
  }
}

}  // namespace

ExitStatus exec_in_foreground(const ContainerStore& store,
                              const ContainerInfo& container,
                              const ContainerCommand& command,
                              const Foreground& foreground,
                              std::optional<StartFailure>& failure,
                              const Context& context) {
  ContainerExec exec = plan_exec(store, container, command, failure);
  ContainerStreams streams;
  if (command.tty) {
    exec.process.console_size = terminal_size(foreground.input);
  } else {
    auto [ours, theirs] =
        make_streams(foreground.input >= 0 ? StandardInput::Pipe : StandardInput::Null,
                     exec.process.uid, exec.process.gid);
    exec.standard_input = std::move(theirs.input);
    exec.standard_output = std::move(theirs.output);
    exec.standard_error = std::move(theirs.error);
    streams = std::move(ours);
  }
  SignalReader signals;
  const auto process = start(std::move(exec), TerminalHolder::Caller, signals, failure, context);
  failure.reset();
  if (command.tty) streams = terminal_streams(process->take_terminal());
  Watch watch;
  watch.foreground = foreground;
  return watch_process(
      *process, std::move(streams), watch, signals, [](const ExitStatus&) {}, context);
}

void exec_in_background(const ContainerStore& store,
                        const ContainerInfo& container,
                        const ContainerCommand& command,
                        std::optional<StartFailure>& failure,
                        const Context& context) {
  ContainerExec exec = plan_exec(store, container, command, failure);
  SignalReader signals;
  start(std::move(exec), TerminalHolder::Background, signals, failure, context);
}

}  // namespace layerkit
