#include <memory>

#include "cli/commands.h"
#include "cli/output.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/container_changes.h"
#include "layerkit/imagetool/container_store.h"

namespace layerkit::cli {
namespace {

void print_changes(Session& session, const std::string& container) {
  const ContainerInfo info = ContainerStore(session.store()).find(container);
  Store& layers = session.store().layers();
  const auto image = layers.view(layers.container_parent(info.id));
  const auto changes = committable_changes(layers, info.id, session.context);
  for (const auto& change : summarize_changes(*changes, *image)) {
    print_line(std::string(1, change_letter(change.kind)) + " " + escaped(change.path.absolute()));
  }
}

}  // namespace

void add_diff(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("diff", "Inspect changes to files on a container's filesystem")
          ->group(kContainers);
  command->footer("A: added   C: changed   D: deleted");
  auto container = std::make_shared<std::string>();
  command->add_option("container", *container, "Container")->type_name("CONTAINER")->required();
  command->callback([&session, container] { print_changes(session, *container); });
}

}  // namespace layerkit::cli
