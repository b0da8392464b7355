#include "cli/commands.h"
#include "cli/container_operands.h"
#include "cli/output.h"
#include "layerkit/imagetool/container_pause.h"

namespace layerkit::cli {

void add_unpause(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("unpause", "Unpause all processes within one or more containers")
          ->group(kContainers);
  for_each_container(
      *command, session,
      [](ContainerStore& store, const ContainerInfo& container, const std::string& name) {
        unpause_container(store, container);
        print_line(name);
      });
}

}  // namespace layerkit::cli
