#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "cli/session.h"

namespace layerkit::cli {

// Groups of the help text.
inline constexpr char kImages[] = "Images";
inline constexpr char kContents[] = "Contents of images";
inline constexpr char kRewriting[] = "Images made of others";
inline constexpr char kContainers[] = "Containers";
inline constexpr char kSystem[] = "System";
inline constexpr char kHidden[] = "";

// One function per subcommand, each in its cmd_<verb>.cc.
void add_append(CLI::App& app, Session& session);
void add_attach(CLI::App& app, Session& session);
void add_cat(CLI::App& app, Session& session);
void add_check(CLI::App& app, Session& session);
void add_commit(CLI::App& app, Session& session);
void add_completion(CLI::App& app, Session& session);
void add_config(CLI::App& app, Session& session);
void add_create(CLI::App& app, Session& session);
void add_copy(CLI::App& app, Session& session);
void add_cp(CLI::App& app, Session& session);
void add_diff(CLI::App& app, Session& session);
void add_drop(CLI::App& app, Session& session);
void add_exec(CLI::App& app, Session& session);
void add_explain(CLI::App& app, Session& session);
void add_export(CLI::App& app, Session& session);
void add_flatten(CLI::App& app, Session& session);
void add_history(CLI::App& app, Session& session);
void add_images(CLI::App& app, Session& session);
void add_import(CLI::App& app, Session& session);
void add_info(CLI::App& app, Session& session);
void add_inspect(CLI::App& app, Session& session);
void add_kill(CLI::App& app, Session& session);
void add_layers(CLI::App& app, Session& session);
void add_lint(CLI::App& app, Session& session);
void add_load(CLI::App& app, Session& session);
void add_logs(CLI::App& app, Session& session);
void add_ls(CLI::App& app, Session& session);
void add_man(CLI::App& app, Session& session);
void add_merge(CLI::App& app, Session& session);
void add_mount(CLI::App& app, Session& session);
void add_network(CLI::App& app, Session& session);
void add_normalize(CLI::App& app, Session& session);
void add_pause(CLI::App& app, Session& session);
void add_ps(CLI::App& app, Session& session);
void add_rebase(CLI::App& app, Session& session);
void add_rename(CLI::App& app, Session& session);
void add_restart(CLI::App& app, Session& session);
void add_rm(CLI::App& app, Session& session);
void add_rm_path(CLI::App& app, Session& session);
void add_rmi(CLI::App& app, Session& session);
void add_run(CLI::App& app, Session& session);
void add_save(CLI::App& app, Session& session);
void add_port(CLI::App& app, Session& session);
void add_prune(CLI::App& app, Session& session);
void add_split(CLI::App& app, Session& session);
void add_squash(CLI::App& app, Session& session);
void add_start(CLI::App& app, Session& session);
void add_stats(CLI::App& app, Session& session);
void add_stop(CLI::App& app, Session& session);
void add_system(CLI::App& app, Session& session);
void add_tag(CLI::App& app, Session& session);
void add_top(CLI::App& app, Session& session);
void add_tree(CLI::App& app, Session& session);
void add_unmount(CLI::App& app, Session& session);
void add_unpause(CLI::App& app, Session& session);
void add_version(CLI::App& app, Session& session);
void add_wait(CLI::App& app, Session& session);
void add_waste(CLI::App& app, Session& session);

/// Every subcommand, in the order in which the help shows them.
inline constexpr void (*kCommands[])(CLI::App&, Session&) = {
    // Images
    add_images,
    add_load,
    add_save,
    add_import,
    add_export,
    add_copy,
    add_tag,
    add_history,
    add_rmi,
    add_prune,
    // Looking into images
    add_ls,
    add_cat,
    add_tree,
    add_layers,
    add_explain,
    add_waste,
    add_lint,
    // Images made of others
    add_squash,
    add_flatten,
    add_rebase,
    add_merge,
    add_append,
    add_drop,
    add_split,
    add_rm_path,
    add_normalize,
    add_config,
    // Containers
    add_run,
    add_create,
    add_start,
    add_restart,
    add_exec,
    add_ps,
    add_logs,
    add_attach,
    add_wait,
    add_top,
    add_stats,
    add_port,
    add_cp,
    add_stop,
    add_kill,
    add_pause,
    add_unpause,
    add_rename,
    add_rm,
    add_diff,
    add_commit,
    add_mount,
    add_unmount,
    add_network,
    // System
    add_inspect,
    add_info,
    add_check,
    add_system,
    add_version,
    add_completion,
    add_man,
};

/// `--mount-backend`, which mount_backend.h explains. In cmd_mount.cc.
void add_mount_backend_option(CLI::App& command, std::string& backend);

/// What `inspect` prints for a container, found by name, ID or prefix of the ID; nullopt when there
/// is none. In inspect_container.cc.
std::optional<nlohmann::ordered_json> inspect_container(Session& session, const std::string& name);

}  // namespace layerkit::cli
