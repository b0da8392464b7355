#include "cli/app.h"

#include "cli/commands.h"
#include "cli/help.h"
#include "cli/progress_line.h"

namespace layerkit::cli {
std::unique_ptr<CLI::App> make_app(Session& session) {
  auto app = std::make_unique<CLI::App>("Image layers, union mounts and containers", "imagetool");
  app->formatter(make_help_formatter());
  app->set_help_flag("-h,--help", "Print usage");
  app->set_version_flag("-v,--version", std::string("imagetool version ") + LAYERKIT_VERSION,
                        "Print version information and quit");
  app->add_option("--root", session.root, "Directory of the store")
      ->type_name("DIR")
      ->default_str(session.root);
  app->add_option("--driver", session.driver,
                  "Storage driver of a new store; one that exists keeps its own")
      ->type_name("overlay2|aufs")
      ->check(CLI::IsMember({"overlay2", "aufs"}));
  app->add_flag_callback(
      "-q,--quiet", [] { ProgressLine::silence(); }, "Show no progress");
  app->add_flag("-D,--debug", session.debug, "Say more about errors");
  app->require_subcommand(0, 1);
  app->option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  for (auto* const add : kCommands) {
    add(*app, session);
  }
  return app;
}

}  // namespace layerkit::cli
