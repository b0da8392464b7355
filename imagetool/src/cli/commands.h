#pragma once

#include <CLI/CLI.hpp>

#include "cli/session.h"

namespace layerkit::cli {

// One function per subcommand, each in its cmd_<verb>.cc. Sorted; kCommands below lists them all.
void add_completion(CLI::App& app, Session& session);

/// Every subcommand, in the order in which the help shows them.
inline constexpr void (*kCommands[])(CLI::App&, Session&) = {
    add_completion,
};

}  // namespace layerkit::cli
