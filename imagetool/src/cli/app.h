#pragma once

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/session.h"

namespace layerkit::cli {

/// The whole command tree. Callbacks refer to `session`, which must outlive it.
std::unique_ptr<CLI::App> make_app(Session& session);

/// Parses and runs; prints what goes wrong. Returns the exit code: 0, 2 for a command line that
/// cannot be understood, what the subcommand chose, or 1.
int run_app(CLI::App& app, Session& session, int argc, const char* const* argv);

}  // namespace layerkit::cli
