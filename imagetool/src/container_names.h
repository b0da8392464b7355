#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace layerkit {

/// Throws Error{Invalid} unless `name` is [a-zA-Z0-9][a-zA-Z0-9_.-]+, docker's rule.
void check_container_name(std::string_view name);

/// "bold_lovelace": an adjective and a surname for which `taken` is false.
std::string make_container_name(const std::function<bool(const std::string&)>& taken);

}  // namespace layerkit
