#include <memory>

#include "cli/commands.h"
#include "cli/container_operands.h"
#include "cli/output.h"
#include "layerkit/imagetool/container_run.h"

namespace layerkit::cli {

void add_rm(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("rm", "Remove one or more containers")->group(kContainers);
  struct Options {
    bool force = false;
    bool volumes = false;
  };
  auto options = std::make_shared<Options>();
  command->add_flag("-f,--force", options->force,
                    "Kill a running container, unmount a mounted one");
  command->add_flag("-v,--volumes", options->volumes,
                    "Remove anonymous volumes, too (they always are)");
  for_each_container(
      *command, session,
      [&session, options](ContainerStore& store, const ContainerInfo& container,
                          const std::string& name) {
        const auto mode = options->force ? RemoveMode::Force : RemoveMode::Stopped;
        remove_container(store, container, mode, session.context);
        print_line(name);
      },
      [](ContainerStore& store) { store.clean(); });
}

}  // namespace layerkit::cli
