#pragma once

#include "layerkit/runner/container_spec.h"

namespace layerkit::runner {

/// Sets HOME where `process` has none: the home directory of its user in the /etc/passwd below
/// `root`, or "/".
void add_home(ProcessSpec& process, int root);

}  // namespace layerkit::runner
