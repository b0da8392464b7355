#pragma once

#include <memory>

#include "cgroup.h"
#include "layerkit/runner/container.h"

namespace layerkit::runner {

/// start_container() with the cgroup hierarchies to use.
std::unique_ptr<Container> start_with_cgroups(const CgroupLayout& layout,
                                              ContainerSpec spec,
                                              Fd rootfs,
                                              StartFailure* failure,
                                              const Context& context);

}  // namespace layerkit::runner
