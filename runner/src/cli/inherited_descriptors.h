#pragma once

#include <string>
#include <vector>

#include "layerkit/base/fd.h"

namespace layerkit::cli {

/// The descriptors 3, 4, ... that this program was started with, `count` of them and as many as
/// LISTEN_FDS says (sd_listen_fds(3)); unset where one was closed. What it opened itself does not
/// count. `env` gets the variables that tell the process of LISTEN_FDS.
std::vector<Fd> inherited_descriptors(unsigned count, std::vector<std::string>* env);

}  // namespace layerkit::cli
