#include <memory>
#include <optional>

#include "cli/commands.h"
#include "cli/output.h"
#include "layerkit/imagetool/container_run.h"

namespace layerkit::cli {

void add_restart(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("restart", "Restart one or more containers")->group(kContainers);
  struct Options {
    std::optional<std::int64_t> timeout_s;
    std::vector<std::string> containers;
  };
  auto options = std::make_shared<Options>();
  command
      ->add_option("-t,--time,--timeout", options->timeout_s,
                   "Seconds to wait before killing; -1 waits for ever (default 10)")
      ->type_name("SECONDS");
  command->add_option("container", options->containers, "Containers")
      ->type_name("CONTAINER")
      ->required();
  command->callback([&session, options] {
    ContainerStore store(session.store());
    store.clean();
    for (const auto& name : options->containers) {
      session.attempt([&] {
        flush_output();  // the monitor process must not inherit what was printed
        restart_container(store, store.find(name), options->timeout_s, session.context);
        print_line(name);
      });
    }
  });
}

}  // namespace layerkit::cli
