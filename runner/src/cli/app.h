#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "cli/session.h"

namespace layerkit::cli {

/// The command tree as far as `arguments` (without the program's name) need it: declaring all of it
/// takes longer than what most commands do. Callbacks refer to `session`, which must outlive it.
std::unique_ptr<CLI::App> make_app(Session& session, const std::vector<std::string>& arguments);

}  // namespace layerkit::cli
