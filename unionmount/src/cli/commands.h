#pragma once

#include <CLI/CLI.hpp>

#include "cli/session.h"

namespace layerkit::cli {

// Groups of the help text.
inline constexpr char kMounts[] = "Mounts";
inline constexpr char kBranches[] = "Branches";
inline constexpr char kSystem[] = "System";
inline constexpr char kHidden[] = "";

// One function per subcommand, each in its cmd_<verb>.cc.
void add_mount(CLI::App& app, Session& session);
void add_remount(CLI::App& app, Session& session);
void add_umount(CLI::App& app, Session& session);
void add_list(CLI::App& app, Session& session);
void add_branches(CLI::App& app, Session& session);
void add_check(CLI::App& app, Session& session);
void add_version(CLI::App& app, Session& session);
void add_completion(CLI::App& app, Session& session);
void add_man(CLI::App& app, Session& session);

/// Every subcommand, in the order in which the help shows them.
inline constexpr void (*kCommands[])(CLI::App&, Session&) = {
    // Mounts
    add_mount,
    add_remount,
    add_umount,
    add_list,
    // Branches
    add_branches,
    add_check,
    // System
    add_version,
    add_completion,
    add_man,
};

/// Declares -o, which may stand several times; the texts are joined with commas.
CLI::Option* add_mount_options(CLI::App& command, std::vector<std::string>& texts);
/// What -o said, one string.
std::string joined_options(const std::vector<std::string>& texts);

}  // namespace layerkit::cli
