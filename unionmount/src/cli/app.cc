#include "cli/app.h"

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/help.h"

namespace layerkit::cli {

std::unique_ptr<CLI::App> make_app(Session& session) {
  auto app =
      std::make_unique<CLI::App>("Union mounts: overlayfs, AUFS, and AUFS by FUSE", "unionmount");
  app->formatter(make_help_formatter());
  app->set_help_flag("-h,--help", "Print usage");
  app->set_version_flag("-V,--version", std::string("unionmount version ") + LAYERKIT_VERSION,
                        "Print version information and quit");
  app->add_flag("-D,--debug", session.debug, "Say more about errors");
  app->require_subcommand(0, 1);
  app->option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  for (auto* const add : kCommands) {
    add(*app, session);
  }
  return app;
}

CLI::Option* add_mount_options(CLI::App& command, std::vector<std::string>& texts) {
  return command
      .add_option("-o,--options", texts, "Mount options, separated by commas; may be repeated")
      ->type_name("OPTIONS")
      ->expected(1)
      ->allow_extra_args(false)  // a vector would take the positionals that follow
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

std::string joined_options(const std::vector<std::string>& texts) {
  return fmt::format("{}", fmt::join(texts, ","));
}

}  // namespace layerkit::cli
