#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "layerkit/base/error.h"

namespace layerkit::cli {

/// What run_app and the subcommands tell each other.
struct RunState {
  bool debug = false;  ///< say more about errors
  int exit_code = 0;
  int failure_exit_code = 1;  ///< for a layerkit::Error
  int usage_exit_code = 2;    ///< for a command line that cannot be understood
  /// What follows the first argument of a subcommand that takes a command line: command_line.h.
  std::vector<std::string> command_arguments;
};

/// Parses and runs; prints what goes wrong. Returns the exit code. REQUIRES: `app` is named as the
/// program; the callbacks of its subcommands set `state.exit_code` where it is not 0.
int run_app(CLI::App& app, RunState& state, int argc, const char* const* argv);

/// Opens descriptors 0 to 2 on /dev/null where they are closed: a file that is opened would get
/// their number, and be printed into.
void reserve_standard_descriptors();

}  // namespace layerkit::cli
