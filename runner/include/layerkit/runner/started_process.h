#pragma once

#include <sys/types.h>

#include "layerkit/base/fd.h"

namespace layerkit {

/// How a process ended.
struct ExitStatus {
  int code = 0;                ///< exit code, or 128 + signal
  int signal = 0;              ///< 0 when it exited by itself
  bool out_of_memory = false;  ///< the kernel's OOM killer was at work in its cgroup
};

/// Why a process could not start, for docker's exit codes.
enum class StartFailure {
  Setup,          ///< 125: a namespace, mount, cgroup, ...
  NotExecutable,  ///< 126: found, but it cannot be executed
  NotFound,       ///< 127: no such program, or its interpreter or loader is missing
};

/// A process that was started here: a child of this one. It lives on when the object goes, unless
/// a derived class says otherwise. Not thread-safe.
class StartedProcess {
 public:
  StartedProcess() = default;
  StartedProcess(const StartedProcess&) = delete;
  StartedProcess& operator=(const StartedProcess&) = delete;
  virtual ~StartedProcess() = default;

  /// In the caller's pid namespace.
  virtual pid_t pid() const noexcept = 0;
  /// Readable when it has ended.
  virtual int pidfd() const noexcept = 0;
  /// The master of its terminal, if it has one and the caller keeps it; else unset.
  virtual Fd take_terminal() = 0;
  virtual void signal(int signal_number) = 0;
  /// Waits for it to end and reaps it.
  virtual ExitStatus wait() = 0;
};

}  // namespace layerkit
