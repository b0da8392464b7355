#pragma once

#include <string>

namespace layerkit::cli {

/// Moves this process into a mount namespace, given by path or by the number of a process in it.
void enter_mount_namespace(const std::string& name);

}  // namespace layerkit::cli
