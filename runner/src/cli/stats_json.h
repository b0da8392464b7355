#pragma once

#include <string>

#include "layerkit/runner/cgroup_stats.h"

namespace layerkit::cli {

/// One line of `events`: {"type":"stats","id":...,"data":{...}}, as runc prints it.
std::string stats_event(const std::string& id, const CgroupStats& stats);
std::string oom_event(const std::string& id);

}  // namespace layerkit::cli
