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
    // 0, as kill(2) has it: is there somebody to send one to?
    const int signal_number = arguments->signal == "0" ? 0 : parse_signal(arguments->signal);
    session.runtime().kill(arguments->id, signal_number, arguments->all);
  });
}

}  // namespace layerkit::cli
