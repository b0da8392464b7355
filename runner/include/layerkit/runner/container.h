#pragma once

#include <memory>

#include "layerkit/base/context.h"
#include "layerkit/base/fd.h"
#include "layerkit/runner/container_spec.h"
#include "layerkit/runner/started_process.h"

namespace layerkit {

/// A running container, as its first process. Owns its cgroup: when the object goes, what still
/// runs in the container is killed, its cgroup is removed. wait() removes the cgroup, too, and may
/// be called again.
class Container : public StartedProcess {};

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
