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

/// Mounts the container's layers and works out who runs what, with which mounts, in them.
StartPlan plan_start(const ContainerStore& store, const ContainerInfo& info);

/// The container's layers as one writable mount. `images` holds them.
Fd mount_container_layers(Store& layers, const std::string& id);

}  // namespace layerkit
