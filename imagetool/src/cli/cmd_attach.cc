#include <memory>

#include "cli/commands.h"
#include "cli/foreground.h"

namespace layerkit::cli {

void add_attach(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("attach", "Attach standard streams to a running container")
                          ->group(kContainers);
  struct Options {
    ForegroundChoice choice;
    bool no_input = false;
    std::string container;
  };
  auto options = std::make_shared<Options>();
  add_detach_keys_option(*command, options->choice.detach_keys);
  command->add_flag("--no-stdin", options->no_input, "Do not attach standard input");
  command->add_flag("--sig-proxy", options->choice.proxy_signals,
                    "Pass received signals on (default); --sig-proxy=false ignores them");
  command->add_option("container", options->container, "Container")
      ->type_name("CONTAINER")
      ->required();
  command->callback([&session, options] {
    ContainerStore store(session.store_with("container", options->container));
    const ContainerInfo container = store.find(options->container);
    options->choice.input = !options->no_input && container.config.open_stdin;
    const Foreground foreground = make_foreground(options->choice, container.config.tty);
    report_end(session, attach_container(store, container, foreground, session.context));
  });
}

}  // namespace layerkit::cli
