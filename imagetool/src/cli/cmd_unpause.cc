#include <memory>

#include "cli/commands.h"
#include "cli/output.h"
#include "layerkit/imagetool/container_pause.h"

namespace layerkit::cli {

void add_unpause(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("unpause", "Unpause all processes within one or more containers")
          ->group(kContainers);
  auto containers = std::make_shared<std::vector<std::string>>();
  command->add_option("container", *containers, "Containers")->type_name("CONTAINER")->required();
  command->callback([&session, containers] {
    ContainerStore store(session.store());
    for (const auto& name : *containers) {
      session.attempt([&] {
        unpause_container(store, store.find(name));
        print_line(name);
      });
    }
  });
}

}  // namespace layerkit::cli
