#pragma once

#include <string>
#include <vector>

#include "cli/session.h"

namespace layerkit::cli {

/// Runs the program as a helper; prints what goes wrong. Gives the exit code.
int run_mount_helper(Session& session, const std::vector<std::string>& arguments);

}  // namespace layerkit::cli
