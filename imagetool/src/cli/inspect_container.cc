#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "layerkit/imagetool/container_inspect.h"

namespace layerkit::cli {

std::optional<nlohmann::ordered_json> inspect_container(Session& session, const std::string& name) {
  if (!session.has_store()) return std::nullopt;
  ContainerStore store(session.store());
  try {
    return inspect_container_json(store, store.find(name));
  } catch (const Error& error) {
    if (error.code() == Errc::NotFound) return std::nullopt;
    throw;
  }
}

}  // namespace layerkit::cli
