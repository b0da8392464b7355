#include "cli/commands.h"
#include "cli/container_operands.h"
#include "cli/output.h"
#include "layerkit/imagetool/container_run.h"

namespace layerkit::cli {

void add_wait(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("wait", "Wait until one or more containers stop, print their exit codes")
          ->group(kContainers);
  for_each_container(
      *command, session,
      [&session](ContainerStore& store, const ContainerInfo& container,
                 const std::string& /*name*/) {
        print_line(std::to_string(wait_container(store, container, session.context)));
        flush_output();
      });
}

}  // namespace layerkit::cli
