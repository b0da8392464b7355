#pragma once

#include <CLI/CLI.hpp>
#include <string_view>

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

struct Command {
  std::string_view name;
  void (*add)(CLI::App&, Session&);
  bool shows_all = false;  ///< what it prints is about all subcommands
};

/// Every subcommand, in the order in which the help shows them.
inline constexpr Command kCommands[] = {
    // Containers
    {"create", add_create},
    {"start", add_start},
    {"run", add_run},
    {"state", add_state},
    {"list", add_list},
    {"pause", add_pause},
    {"resume", add_resume},
    {"update", add_update},
    {"delete", add_delete},
    {"checkpoint", add_checkpoint},
    {"restore", add_restore},
    // Processes
    {"exec", add_exec},
    {"kill", add_kill},
    {"ps", add_ps},
    {"events", add_events},
    // System
    {"spec", add_spec},
    {"features", add_features},
    {"completion", add_completion, true},
    {"__man", add_man, true},
};

/// The container that a subcommand is about: a positional.
CLI::Option* add_container(CLI::App& command, std::string& id);

}  // namespace layerkit::cli
