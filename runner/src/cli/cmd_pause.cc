#include <memory>

#include "cli/commands.h"

namespace layerkit::cli {

void add_pause(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("pause", "Stop all processes of a container for a while")
                          ->group(kContainers);
  auto id = std::make_shared<std::string>();
  add_container(*command, *id);
  command->callback([&session, id] { session.runtime().pause(*id, session.context); });
}

}  // namespace layerkit::cli
