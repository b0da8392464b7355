#pragma once

#include "layerkit/runner/container_spec.h"
#include "seccomp/seccomp_filter.h"

namespace layerkit::testing {

/// Gives each bind mount a source that is not the one it names.
void open_harmless_sources(ContainerSpec& spec);

/// Plans the start of a checked container, without what would meet the host: namespaces are new
/// instead of joined, owners are not mapped, and few mounts are binds. Where the caller may make no
/// mount, nothing is planned. Ends the program for a plan that cannot be meant.
void plan_container(ContainerSpec spec, runner::SeccompFilter filter);
/// Plans a checked process that joins a container, which is this process.
void plan_process(ProcessSpec process);

}  // namespace layerkit::testing
