#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "cli/session.h"

namespace layerkit::cli {

// Groups of the help text.
inline constexpr char kImages[] = "Images";
inline constexpr char kContainers[] = "Containers";
inline constexpr char kSystem[] = "System";
inline constexpr char kHidden[] = "";

// One function per subcommand, each in its cmd_<verb>.cc.
void add_history(CLI::App& app, Session& session);
void add_images(CLI::App& app, Session& session);
void add_info(CLI::App& app, Session& session);
void add_inspect(CLI::App& app, Session& session);
void add_load(CLI::App& app, Session& session);
void add_rmi(CLI::App& app, Session& session);
void add_save(CLI::App& app, Session& session);
void add_tag(CLI::App& app, Session& session);
void add_version(CLI::App& app, Session& session);

/// Every subcommand, in the order in which the help shows them.
inline constexpr void (*kCommands[])(CLI::App&, Session&) = {
    // Images
    add_images,
    add_load,
    add_save,
    add_tag,
    add_history,
    add_rmi,
    // Containers
    // System
    add_inspect,
    add_info,
    add_version,
};

/// What `inspect` prints for a container, found by name, ID or prefix of the ID; nullopt when there
/// is none. In inspect_container.cc.
std::optional<nlohmann::ordered_json> inspect_container(Session& session, const std::string& name);

}  // namespace layerkit::cli
