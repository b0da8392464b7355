#include <memory>

#include "cli/commands.h"
#include "cli/output.h"
#include "layerkit/imagetool/container_run.h"

namespace layerkit::cli {

void add_rm(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("rm", "Remove one or more containers")->group(kContainers);
  struct Options {
    bool force = false;
    bool volumes = false;
    std::vector<std::string> containers;
  };
  auto options = std::make_shared<Options>();
  command->add_flag("-f,--force", options->force,
                    "Kill a running container, unmount a mounted one");
  command->add_flag("-v,--volumes", options->volumes,
                    "Remove anonymous volumes, too (they always are)");
  command->add_option("container", options->containers, "Containers")
      ->type_name("CONTAINER")
      ->required();
  command->callback([&session, options] {
    ContainerStore store(session.store());
    store.clean();
    const auto mode = options->force ? RemoveMode::Force : RemoveMode::Stopped;
    for (const auto& name : options->containers) {
      session.attempt([&] {
        remove_container(store, store.find(name), mode, session.context);
        print_line(name);
      });
    }
  });
}

}  // namespace layerkit::cli
