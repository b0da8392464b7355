#include <memory>
#include <optional>

#include "cli/commands.h"
#include "cli/container_operands.h"
#include "cli/output.h"
#include "layerkit/imagetool/container_run.h"

namespace layerkit::cli {

void add_stop(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("stop", "Stop one or more running containers")->group(kContainers);
  auto timeout_s = std::make_shared<std::optional<std::int64_t>>();
  command
      ->add_option("-t,--time,--timeout", *timeout_s,
                   "Seconds to wait before killing; -1 waits for ever (default 10)")
      ->type_name("SECONDS");
  for_each_container(*command, session,
                     [&session, timeout_s](ContainerStore& store, const ContainerInfo& container,
                                           const std::string& name) {
                       stop_container(store, container, *timeout_s, session.context);
                       print_line(name);
                     });
}

}  // namespace layerkit::cli
