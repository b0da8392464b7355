#pragma once

#include <string>

#include "container_record.h"
#include "launch.h"
#include "layerkit/base/context.h"
#include "layerkit/runner/oci_config.h"
#include "plan.h"
#include "seccomp/seccomp_cache.h"

namespace layerkit::runner {

/// Starts `spec`'s process in the container of `init` and in `cgroup` (may be null), and returns
/// once its program has been executed.
Process join_container(ContainerSpec spec,
                       const ContainerInit& init,
                       const Cgroup* cgroup,
                       LaunchOptions options,
                       SeccompFilter seccomp,
                       LaunchEvents& events,
                       StartFailure& failure,
                       const Context& context);

/// The hooks of that kind, as processes of the container that is not started yet; the first that
/// fails is an Error. Its seccomp profile, from `filters`, holds for them.
void run_start_container_hooks(const OciConfig& config,
                               const ContainerRecord& record,
                               const std::string& state,
                               const SeccompCache& filters,
                               const Context& context);

}  // namespace layerkit::runner
