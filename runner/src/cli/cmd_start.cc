#include <memory>

#include "cli/commands.h"

namespace layerkit::cli {

void add_start(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("start", "Start the process of a created container")->group(kContainers);
  auto id = std::make_shared<std::string>();
  add_container(*command, *id);
  command->callback([&session, id] { session.runtime().start(*id, session.context); });
}

}  // namespace layerkit::cli
