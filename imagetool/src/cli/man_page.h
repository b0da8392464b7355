#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace layerkit::cli {

/// imagetool(1) in the man(7) macros, made from the command tree.
std::string man_page(const CLI::App& app);

}  // namespace layerkit::cli
