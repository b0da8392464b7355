#include <memory>

#include "cli/commands.h"
#include "cli/output.h"
#include "runtime/container_record.h"

namespace layerkit::cli {

void add_state(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("state", "Print the state of a container as JSON")->group(kContainers);
  auto id = std::make_shared<std::string>();
  add_container(*command, *id);
  command->callback(
      [&session, id] { print_line(runner::state_json(session.runtime().state(*id), true)); });
}

}  // namespace layerkit::cli
