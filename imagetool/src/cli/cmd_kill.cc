#include <memory>

#include "cli/commands.h"
#include "cli/container_operands.h"
#include "cli/output.h"
#include "layerkit/imagetool/container_run.h"

namespace layerkit::cli {

void add_kill(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("kill", "Kill one or more running containers")->group(kContainers);
  auto signal_name = std::make_shared<std::string>("KILL");
  command->add_option("-s,--signal", *signal_name, "Signal to send, by name or number")
      ->type_name("SIGNAL");
  auto signal = std::make_shared<int>(0);
  for_each_container(
      *command, session,
      [signal](ContainerStore& store, const ContainerInfo& container, const std::string& name) {
        kill_container(store, container, *signal);
        print_line(name);
      },
      [signal_name, signal](ContainerStore& /*store*/) { *signal = parse_signal(*signal_name); });
}

}  // namespace layerkit::cli
