#pragma once

#include <CLI/CLI.hpp>

#include "cli/session.h"

namespace layerkit::cli {

// Groups of the help text.
inline constexpr char kImages[] = "Images";
inline constexpr char kContainers[] = "Containers";
inline constexpr char kSystem[] = "System";
inline constexpr char kHidden[] = "";

// One function per subcommand, each in its cmd_<verb>.cc.
void add_version(CLI::App& app, Session& session);

/// Every subcommand, in the order in which the help shows them.
inline constexpr void (*kCommands[])(CLI::App&, Session&) = {
    // Images
    // Containers
    // System
    add_version,
};

}  // namespace layerkit::cli
