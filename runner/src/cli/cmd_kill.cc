#include <memory>

#include "cli/commands.h"
#include "layerkit/base/signal_name.h"

namespace layerkit::cli {

void add_kill(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("kill", "Send a signal to the first process of a container")
          ->group(kProcesses);
  struct Arguments {
    std::string id;
    std::string signal = "SIGTERM";
    bool all = false;
  };
  auto arguments = std::make_shared<Arguments>();
  add_container(*command, arguments->id);
  command->add_option("signal", arguments->signal, "Name or number")
      ->type_name("SIGNAL")
      ->default_str("SIGTERM");
  command->add_flag("-a,--all", arguments->all, "Send it to all processes of the container");
  command->callback([&session, arguments] {
    session.runtime().kill(arguments->id, parse_signal(arguments->signal), arguments->all);
  });
}

}  // namespace layerkit::cli
