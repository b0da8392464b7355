#include <memory>

#include "cli/commands.h"
#include "cli/output.h"
#include "layerkit/imagetool/container_run.h"

namespace layerkit::cli {

void add_wait(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("wait", "Wait until one or more containers stop, print their exit codes")
          ->group(kContainers);
  auto containers = std::make_shared<std::vector<std::string>>();
  command->add_option("container", *containers, "Containers")->type_name("CONTAINER")->required();
  command->callback([&session, containers] {
    ContainerStore store(session.store());
    for (const auto& name : *containers) {
      session.attempt([&] {
        print_line(std::to_string(wait_container(store, store.find(name), session.context)));
        flush_output();
      });
    }
  });
}

}  // namespace layerkit::cli
