#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "layerkit/runner/oci_config.h"

namespace layerkit::testing {

/// All that was read, as text: two readings of one document have the same.
std::string description_of(const ContainerSpec& spec);
std::string description_of(const ProcessSpec& process);

/// What was read is what the document says. It was not looked at as a whole yet.
void require_meaning(const OciConfig& config, std::string_view text);
void require_meaning(const ProcessSpec& process, const nlohmann::json& document);

/// No nonsense came through check_spec() and check_process().
void require_sane(const ContainerSpec& spec);
void require_sane(const ProcessSpec& process);

}  // namespace layerkit::testing
