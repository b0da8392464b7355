#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace layerkit::cli {

/// What a manual page says that the command tree does not; roff(7).
struct ManPagePlan {
  std::string section;             ///< "1"
  std::string manual;              ///< "User Commands"
  std::string more_synopsis;       ///< other ways to call it
  std::string description;         ///< goes on after the program's name
  std::string before_exit_status;  ///< sections
  std::string after_exit_status;   ///< more exit codes, and sections
};

/// The manual page, from the command tree (conventions: cli/help.h).
std::string man_page(const CLI::App& app, const ManPagePlan& plan);

}  // namespace layerkit::cli
