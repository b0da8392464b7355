#include "cli/app.h"

#include <algorithm>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/help.h"

namespace layerkit::cli {
namespace {

/// The subcommand of that name; all of them where there is none or where it shows them all.
void add_commands(CLI::App& app, Session& session, std::string_view name) {
  const auto* const chosen = std::ranges::find(kCommands, name, &Command::name);
  if (chosen != std::end(kCommands) && !chosen->shows_all) {
    chosen->add(app, session);
    return;
  }
  for (const Command& command : kCommands)
    command.add(app, session);
}

}  // namespace

std::unique_ptr<CLI::App> make_app(Session& session, const std::vector<std::string>& arguments) {
  auto app = std::make_unique<CLI::App>("An OCI runtime: runs containers from bundles", "runner");
  app->formatter(make_help_formatter());
  app->set_help_flag("-h,--help", "Print usage");
  app->set_version_flag("-v,--version",
                        std::string("runner version ") + LAYERKIT_VERSION + "\nspec: 1.2.0",
                        "Print version information and quit");
  app->add_option("--root", session.root, "Directory of the containers' states")
      ->type_name("DIR")
      ->default_str(default_root());
  app->add_option("--log", session.log, "File that gets errors and warnings, too")
      ->type_name("FILE");
  app->add_option("--log-format", session.log_format, "How the log is written")
      ->type_name("text|json")
      ->default_str("text")
      ->check(CLI::IsMember({"text", "json"}));
  app->add_flag("--debug", session.debug, "Say more about errors");
  app->add_option("--cgroup-manager", session.cgroup_manager, "What manages cgroups")
      ->type_name("cgroupfs|systemd|disabled")
      ->default_str("cgroupfs")
      ->check(CLI::IsMember({"cgroupfs", "systemd", "disabled"}));
  app->add_flag("--systemd-cgroup", session.systemd_cgroup,
                "Let systemd manage cgroups (refused: not supported)");
  app->add_option("--rootless", session.rootless,
                  "Ignored: what a user may not do is found by trying it")
      ->type_name("true|false|auto")
      ->default_str("auto")
      ->check(CLI::IsMember({"true", "false", "auto"}));
  app->add_option("--criu", session.criu, "Ignored")->group(kHidden);
  app->require_subcommand(0, 1);
  app->option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  add_commands(*app, session, subcommand_word(*app, arguments));
  // Before the subcommand's callback, so that its errors get there.
  app->parse_complete_callback([&session] { open_log(session.log, session.log_format); });
  return app;
}

CLI::Option* add_container(CLI::App& command, std::string& id) {
  return command.add_option("container", id, "Container")->type_name("CONTAINER")->required();
}

}  // namespace layerkit::cli
