#include "cli/union_json.h"

#include <nlohmann/json.hpp>

namespace layerkit::cli {

nlohmann::ordered_json to_json(const std::vector<BranchState>& branches) {
  auto list = nlohmann::ordered_json::array();
  for (const BranchState& branch : branches)
    list.push_back({{"Path", branch.path}, {"Permission", branch.permission}, {"ID", branch.id}});
  return list;
}

nlohmann::ordered_json to_json(const UnionFacts& facts) {
  return {{"ID", facts.id},
          {"Type", facts.type},
          {"MountPoints", facts.mount_points},
          {"Branches", to_json(facts.branches)},
          {"Options", facts.settings},
          {"PID", facts.pid}};
}

std::string dump_json(const nlohmann::ordered_json& value) {
  return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace layerkit::cli
