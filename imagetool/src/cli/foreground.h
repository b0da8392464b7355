#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "cli/session.h"
#include "layerkit/imagetool/container_run.h"

namespace layerkit::cli {

/// `--detach-keys`.
void add_detach_keys_option(CLI::App& command, std::string& keys);

/// What of this program's streams a container gets.
struct ForegroundChoice {
  bool input = false;
  bool proxy_signals = true;
  std::string detach_keys;
};
/// Throws Error{Invalid} when a container with a terminal is to get the keys of something that is
/// none.
Foreground make_foreground(const ForegroundChoice& choice, bool has_terminal);

/// Says how it ended, and makes that the exit code.
void report_end(Session& session, const AttachEnd& end);

}  // namespace layerkit::cli
