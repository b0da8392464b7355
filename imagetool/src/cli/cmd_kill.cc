#include <memory>

#include "cli/commands.h"
#include "cli/output.h"
#include "layerkit/imagetool/container_run.h"

namespace layerkit::cli {

void add_kill(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("kill", "Kill one or more running containers")->group(kContainers);
  struct Options {
    std::string signal = "KILL";
    std::vector<std::string> containers;
  };
  auto options = std::make_shared<Options>();
  command->add_option("-s,--signal", options->signal, "Signal to send, by name or number")
      ->type_name("SIGNAL");
  command->add_option("container", options->containers, "Containers")
      ->type_name("CONTAINER")
      ->required();
  command->callback([&session, options] {
    const int signal = parse_signal(options->signal);
    ContainerStore store(session.store());
    for (const auto& name : options->containers) {
      session.attempt([&] {
        kill_container(store, store.find(name), signal);
        print_line(name);
      });
    }
  });
}

}  // namespace layerkit::cli
