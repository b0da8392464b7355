#pragma once

#include <CLI/CLI.hpp>

#include "cli/session.h"

namespace layerkit::cli {

// Groups of the help text.
inline constexpr char kContainers[] = "Containers";
inline constexpr char kProcesses[] = "Processes";
inline constexpr char kSystem[] = "System";
inline constexpr char kHidden[] = "";

// One function per subcommand, each in its cmd_<verb>.cc.
void add_create(CLI::App& app, Session& session);
void add_start(CLI::App& app, Session& session);
void add_run(CLI::App& app, Session& session);
void add_exec(CLI::App& app, Session& session);
void add_state(CLI::App& app, Session& session);
void add_list(CLI::App& app, Session& session);
void add_kill(CLI::App& app, Session& session);
void add_delete(CLI::App& app, Session& session);
void add_pause(CLI::App& app, Session& session);
void add_resume(CLI::App& app, Session& session);
void add_update(CLI::App& app, Session& session);
void add_ps(CLI::App& app, Session& session);
void add_events(CLI::App& app, Session& session);
void add_spec(CLI::App& app, Session& session);
void add_features(CLI::App& app, Session& session);
void add_checkpoint(CLI::App& app, Session& session);
void add_restore(CLI::App& app, Session& session);
void add_completion(CLI::App& app, Session& session);
void add_man(CLI::App& app, Session& session);

/// Every subcommand, in the order in which the help shows them.
inline constexpr void (*kCommands[])(CLI::App&, Session&) = {
    // Containers
    add_create,
    add_start,
    add_run,
    add_state,
    add_list,
    add_pause,
    add_resume,
    add_update,
    add_delete,
    add_checkpoint,
    add_restore,
    // Processes
    add_exec,
    add_kill,
    add_ps,
    add_events,
    // System
    add_spec,
    add_features,
    add_completion,
    add_man,
};

/// The container that a subcommand is about: a positional.
CLI::Option* add_container(CLI::App& command, std::string& id);

}  // namespace layerkit::cli
