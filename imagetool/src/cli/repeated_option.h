#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace layerkit::cli {

/// Declares an option that takes one value and may be repeated.
CLI::Option* add_repeated_option(CLI::App& command,
                                 const std::string& names,
                                 std::vector<std::string>& values,
                                 const std::string& help);

}  // namespace layerkit::cli
