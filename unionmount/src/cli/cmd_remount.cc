#include <memory>

#include "cli/commands.h"
#include "cli/mount_action.h"

namespace layerkit::cli {

void add_remount(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("remount", "Change branches and settings of a mounted union")
          ->group(kMounts);
  command->footer(
      "Changes are made from left to right:\n"
      "  -o append:/path[=PERM]  -o prepend:/path[=PERM]  -o ins:INDEX:/path[=PERM]\n"
      "  -o del:/path  -o mod:/path=PERM  -o udba=none  -o ro");
  struct Arguments {
    std::vector<std::string> options;
    std::string mount_point;
  };
  auto arguments = std::make_shared<Arguments>();
  add_mount_options(*command, arguments->options)->required();
  command->add_option("mountpoint", arguments->mount_point, "Where it is mounted")
      ->type_name("MOUNTPOINT")
      ->required();
  command->callback([&session, arguments] {
    remount(session, arguments->mount_point, joined_options(arguments->options));
  });
}

}  // namespace layerkit::cli
