#pragma once

#include <vector>

#include "layerkit/imagetool/container_options.h"
#include "layerkit/runner/container_spec.h"

namespace layerkit {

/// The limits of the command line as the runner takes them; devices of the host are looked up.
Resources plan_resources(const HostOptions& options);

/// The nodes that --device asks for, or all of the host's /dev for a privileged container; the
/// rules that allow them are added to `rules`.
std::vector<ContainerDevice> plan_devices(const HostOptions& options,
                                          std::vector<Resources::DeviceRule>& rules);

}  // namespace layerkit
