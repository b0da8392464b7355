#include <memory>

#include "cli/commands.h"

namespace layerkit::cli {

void add_delete(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("delete", "Delete a container that has stopped, and what it left")
          ->group(kContainers);
  struct Arguments {
    std::string id;
    bool force = false;
  };
  auto arguments = std::make_shared<Arguments>();
  add_container(*command, arguments->id);
  command->add_flag("-f,--force", arguments->force,
                    "Kill it first; one that does not exist is no error");
  command->callback([&session, arguments] {
    session.runtime().remove(arguments->id, arguments->force, session.context);
  });
}

}  // namespace layerkit::cli
