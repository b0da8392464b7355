#pragma once

#include <cstdint>
#include <string>

namespace layerkit::cli {

/// The name of a user of this system in /etc/passwd, or "#1000".
std::string user_name(std::uint32_t uid);

}  // namespace layerkit::cli
