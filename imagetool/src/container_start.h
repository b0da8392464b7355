#pragma once

#include "layerkit/base/fd.h"
#include "layerkit/imagetool/container_store.h"
#include "layerkit/runner/container_spec.h"

namespace layerkit {

/// All that the runner needs for a container, without the process's standard streams.
struct StartPlan {
  ContainerSpec spec;
  Fd rootfs;  ///< the container's layers as a detached mount
};

/// Works out who runs what, with which mounts, in `rootfs`.
StartPlan plan_start(const ContainerStore& store, const ContainerInfo& info, Fd rootfs);

}  // namespace layerkit
