#pragma once

#include <string>
#include <string_view>

#include "container_record.h"
#include "launch.h"
#include "layerkit/base/context.h"
#include "layerkit/runner/oci_config.h"
#include "plan.h"

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
/// fails is an Error.
void run_start_container_hooks(const OciConfig& config,
                               const ContainerRecord& record,
                               std::string_view state,
                               const Context& context);

}  // namespace layerkit::runner
