#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "cli/session.h"
#include "layerkit/imagetool/container_store.h"

namespace layerkit::cli {

/// Does one thing to a container, which the user called `name`.
using ContainerWork = std::function<void(
    ContainerStore& store, const ContainerInfo& container, const std::string& name)>;

/// For one after the other: the failure of one does not keep it from the next.
/// `prepare` (may be empty) is called before the first, where there is a store.
void work_on_containers(Session& session,
                        const std::vector<std::string>& names,
                        const ContainerWork& work,
                        const std::function<void(ContainerStore& store)>& prepare = {});

/// Declares the operands of a command that does the same to one or more containers, as
/// `work_on_containers`.
void for_each_container(CLI::App& command,
                        Session& session,
                        ContainerWork work,
                        std::function<void(ContainerStore& store)> prepare = {});

}  // namespace layerkit::cli
