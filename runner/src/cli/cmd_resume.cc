#include <memory>

#include "cli/commands.h"

namespace layerkit::cli {

void add_resume(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("resume", "Let a paused container go on")->group(kContainers);
  auto id = std::make_shared<std::string>();
  add_container(*command, *id);
  command->callback([&session, id] { session.runtime().resume(*id, session.context); });
}

}  // namespace layerkit::cli
