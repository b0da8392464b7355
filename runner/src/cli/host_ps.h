#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace layerkit::cli {

/// What the system's ps(1) prints with `options`, without the lines of other processes than `pids`.
std::string host_ps(const std::vector<std::string>& options, const std::vector<pid_t>& pids);

}  // namespace layerkit::cli
