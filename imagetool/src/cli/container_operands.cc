#include "cli/container_operands.h"

#include <memory>
#include <utility>
#include <vector>

namespace layerkit::cli {

void for_each_container(CLI::App& command,
                        Session& session,
                        ContainerWork work,
                        std::function<void(ContainerStore& store)> prepare) {
  auto containers = std::make_shared<std::vector<std::string>>();
  command.add_option("container", *containers, "Containers")->type_name("CONTAINER")->required();
  command.callback([&session, containers, work = std::move(work), prepare = std::move(prepare)] {
    ContainerStore store(session.store());
    if (prepare) prepare(store);
    for (const auto& name : *containers) {
      session.attempt([&] { work(store, store.find(name), name); });
    }
  });
}

}  // namespace layerkit::cli
