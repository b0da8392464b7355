#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "layerkit/base/context.h"
#include "layerkit/base/fd.h"
#include "layerkit/runner/container_spec.h"

namespace layerkit {

/// How a process ended.
struct ExitStatus {
  int code = 0;                ///< exit code, or 128 + signal
  int signal = 0;              ///< 0 when it exited by itself
  bool out_of_memory = false;  ///< the kernel's OOM killer was at work in its cgroup
};

/// Why a container could not start, for docker's exit codes.
enum class StartFailure {
  Setup,          ///< 125: a namespace, mount, cgroup, ...
  NotExecutable,  ///< 126: found, but it cannot be executed
  NotFound,       ///< 127: no such program, or its interpreter or loader is missing
};

/// A running container. Owns its cgroup: when the object goes, what still runs in the container is
/// killed, its cgroup is removed. Not thread-safe.
class Container {
 public:
  Container() = default;
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;
  virtual ~Container() = default;

  /// Pid of the container's init in the caller's pid namespace.
  virtual pid_t pid() const noexcept = 0;
  /// pidfd of init: readable when it has ended.
  virtual int pidfd() const noexcept = 0;
  virtual void signal(int signal_number) = 0;
  /// Waits for init to end, reaps it and removes the cgroup. Idempotent.
  virtual ExitStatus wait() = 0;
};

/// Whether AppArmor is enabled in this kernel, so that ProcessSpec::apparmor_profile can be had.
bool has_apparmor();

/// Starts `spec` on `rootfs`, a detached mount (fsmount, open_tree) that becomes the container's
/// root. Returns once the program has been exec'ed.
///
/// A failure is one Error whose message names the step, the object and the errno; then nothing is
/// left mounted, no cgroup, no process. `failure` (may be null) says which exit code it deserves.
/// `context.warn` hears of cgroups that this user may not make and that no limit needs.
///
/// Of devices the container can open the usual harmless ones only: by the devices controller of
/// cgroup v1 where that is at hand; otherwise every mount in it is nodev, except for the nodes of
/// the host that are bound into its /dev.
///
/// The calling process may be multithreaded. REQUIRES: SIGCHLD is not ignored; Linux 5.12.
std::unique_ptr<Container> start_container(ContainerSpec spec,
                                           Fd rootfs,
                                           StartFailure* failure,
                                           const Context& context);

}  // namespace layerkit
