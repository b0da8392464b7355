#pragma once

#include <functional>

#include "cli/run_app.h"
#include "layerkit/base/context.h"
#include "layerkit/base/error.h"

namespace layerkit::cli {

/// What every subcommand shares. Each cmd_<verb>.cc has one `void add_<verb>(CLI::App& app,
/// Session& session)` that declares the subcommand and sets a callback; the callback prints
/// (cli/output.h), and sets `exit_code` where it is not 0. Errors leave it as layerkit::Error; main
/// prints "unionmount: <message>".
struct Session : RunState {
  /// `warn` prints "unionmount: warning: …" on standard error; `interrupted` is set by SIGINT and
  /// SIGTERM.
  Context context;

  /// Runs `work` on one of several objects: its failure is reported, makes the exit code 1, and the
  /// next one's turn comes. An interruption, and a reader of the output that has gone, still end
  /// the command.
  void attempt(const std::function<void()>& work);
};

}  // namespace layerkit::cli
