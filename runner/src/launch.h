#pragma once

#include <sys/types.h>

#include "cgroup.h"
#include "layerkit/base/context.h"
#include "layerkit/base/fd.h"
#include "layerkit/runner/container.h"
#include "plan.h"
#include "process.h"

namespace layerkit::runner {

/// What the child asks of the caller while it sets itself up. An Error ends the start.
class LaunchEvents {
 public:
  LaunchEvents() = default;
  LaunchEvents(const LaunchEvents&) = delete;
  LaunchEvents& operator=(const LaunchEvents&) = delete;
  virtual ~LaunchEvents() = default;

  /// Namespaces and mounts of the process `pid` are there, the root has not changed yet: the time
  /// of the hooks prestart and createRuntime.
  virtual void run_hooks(pid_t pid) = 0;
  /// The master of the process's terminal.
  virtual void take_terminal(Fd master) = 0;
  /// All that is left to the process `pid` is the exec of its program; without a gate it does that
  /// meanwhile.
  virtual void prepared(pid_t /*pid*/) {}
  /// The listener of its seccomp filter.
  virtual void take_seccomp_listener(Fd listener, pid_t pid) = 0;
};

struct ReportSocket {
  Fd parent;
  Fd child;
};
ReportSocket make_report_socket();

/// Starts the process of `plan`, whose socket's other end is `socket`, and returns once its program
/// has been executed, or waits at the gate. `cgroup` (may be null) is where it is cloned into.
/// `failure`: which exit code an Error deserves.
Process launch(Plan& plan,
               Fd socket,
               const Cgroup* cgroup,
               LaunchEvents& events,
               StartFailure& failure,
               const Context& context);

}  // namespace layerkit::runner
