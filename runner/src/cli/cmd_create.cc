#include <memory>

#include "cli/commands.h"
#include "cli/create_options.h"

namespace layerkit::cli {

void add_create(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("create", "Create a container; its process waits for 'start'")
          ->group(kContainers);
  auto request = std::make_shared<CreateRequest>();
  add_create_options(*command, *request);
  command->callback([&session, request] {
    StartFailure failure = StartFailure::Setup;
    session.runtime().create(*request, failure, session.context);
  });
}

}  // namespace layerkit::cli
