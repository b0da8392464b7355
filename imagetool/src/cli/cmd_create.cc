#include <memory>

#include "cli/commands.h"
#include "cli/make_container.h"
#include "cli/output.h"
#include "cli/run_options.h"

namespace layerkit::cli {

void add_create(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("create", "Create a new container from an image, to be started later")
          ->group(kContainers);
  command->set_help_flag("--help", "Print usage");
  struct Options {
    RunOptions run;
    std::string image;
    std::string command;
  };
  auto options = std::make_shared<Options>();
  declare_create_options(*command, options->run);
  add_mount_backend_option(*command, options->run.mount_backend);
  declare_image_and_command(*command, options->image, options->command);
  command->callback([&session, options] {
    ContainerStore store(session.store_with("image", options->image));
    CidFile cidfile(options->run.cidfile);
    const ContainerInfo container =
        make_container(session, store, options->run, options->image, cidfile);
    store.end_creation(container.id);
    print_line(container.id);
  });
}

}  // namespace layerkit::cli
