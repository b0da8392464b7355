#include <memory>

#include "cli/commands.h"
#include "layerkit/imagetool/container_store.h"

namespace layerkit::cli {

void add_rename(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("rename", "Rename a container")->group(kContainers);
  struct Options {
    std::string container;
    std::string new_name;
  };
  auto options = std::make_shared<Options>();
  command->add_option("container", options->container, "Container")
      ->type_name("CONTAINER")
      ->required();
  command->add_option("new_name", options->new_name, "Its new name")
      ->type_name("NEW_NAME")
      ->required();
  command->callback([&session, options] {
    ContainerStore store(session.store_with("container", options->container));
    store.rename(store.find(options->container).id, options->new_name);
  });
}

}  // namespace layerkit::cli
