#pragma once

#include <string>

#include "layerkit/imagetool/container_options.h"

namespace layerkit {

// What is bound over /etc/hosts and /etc/resolv.conf of a container, as docker writes them.

std::string hosts_file(const HostOptions& options);
std::string resolver_file(const HostOptions& options);

}  // namespace layerkit
