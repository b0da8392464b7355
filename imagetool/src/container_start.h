#pragma once

#include "layerkit/base/fd.h"
#include "layerkit/base/root_dir.h"
#include "layerkit/imagetool/container_exec.h"
#include "layerkit/imagetool/container_store.h"
#include "layerkit/runner/container_spec.h"

namespace layerkit {

/// Where the built-in init is: in the record, and in the container, as docker's.
inline constexpr char kInitFile[] = "init";
inline constexpr char kInitPath[] = "/sbin/docker-init";

/// All that the runner needs for a container, without the process's standard streams.
struct StartPlan {
  ContainerSpec spec;
  Fd rootfs;  ///< the container's layers as a detached mount
};

/// Works out who runs what, with which mounts, in `rootfs`. `network`: the namespace of a Named
/// network.
StartPlan plan_start(const ContainerStore& store,
                     const ContainerInfo& info,
                     Fd rootfs,
                     const std::string& network);

/// A further process of the container, whose users `rootfs` names.
ProcessSpec plan_command(const ContainerInfo& info,
                         const ContainerCommand& command,
                         const RootDir& rootfs);

/// nullopt: unconfined.
std::optional<SeccompProfile> planned_seccomp(const HostOptions& options);

}  // namespace layerkit
