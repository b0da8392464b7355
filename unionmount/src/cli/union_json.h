#pragma once

#include <nlohmann/json_fwd.hpp>

#include "cli/union_facts.h"

namespace layerkit::cli {

nlohmann::ordered_json to_json(const UnionFacts& facts);
nlohmann::ordered_json to_json(const std::vector<BranchState>& branches);
/// One line. Bytes of paths that are not UTF-8 are shown as U+FFFD.
std::string dump_json(const nlohmann::ordered_json& value);

}  // namespace layerkit::cli
