#pragma once

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/session.h"

namespace layerkit::cli {

/// The whole command tree. Callbacks refer to `session`, which must outlive it.
std::unique_ptr<CLI::App> make_app(Session& session);

}  // namespace layerkit::cli
