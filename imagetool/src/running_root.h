#pragma once

#include <sys/types.h>

#include "layerkit/base/fd.h"

namespace layerkit {

/// The root mount of a process in another mount namespace as a detached mount of ours, without
/// what is mounted below it; nosuid and nodev.
Fd clone_root_of_process(pid_t pid);

}  // namespace layerkit
