#include <memory>

#include "cli/commands.h"
#include "cli/create_options.h"

namespace layerkit::cli {

void add_create(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("create", "Create a container; its process waits for 'start'")
          ->group(kContainers);
  auto options = std::make_shared<CreateOptions>();
  add_create_options(*command, *options);
  command->callback([&session, options] {
    StartFailure failure = StartFailure::Setup;
    const Runtime runtime = session.runtime();  // its directory is the caller's
    CreateRequest request = options->take();
    request.rootless_owner = enter_user_namespace(request, session.context);
    runtime.create(std::move(request), failure, session.context);
  });
}

}  // namespace layerkit::cli
