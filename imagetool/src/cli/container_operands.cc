#include "cli/container_operands.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace layerkit::cli {

void work_on_containers(Session& session,
                        const std::vector<std::string>& names,
                        const ContainerWork& work,
                        const std::function<void(ContainerStore& store)>& prepare) {
  std::optional<ContainerStore> store;
  if (session.has_store()) {
    store.emplace(session.store());
    if (prepare) prepare(*store);
  }
  for (const std::string& name : names) {
    session.attempt([&] {
      if (!store) store.emplace(session.store_with("container", name));
      work(*store, store->find(name), name);
    });
  }
}

void for_each_container(CLI::App& command,
                        Session& session,
                        ContainerWork work,
                        std::function<void(ContainerStore& store)> prepare) {
  auto containers = std::make_shared<std::vector<std::string>>();
  command.add_option("container", *containers, "Containers")->type_name("CONTAINER")->required();
  command.callback([&session, containers, work = std::move(work), prepare = std::move(prepare)] {
    work_on_containers(session, *containers, work, prepare);
  });
}

}  // namespace layerkit::cli
