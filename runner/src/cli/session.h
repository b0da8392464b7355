#pragma once

#include <atomic>
#include <string>

#include "cli/run_app.h"
#include "layerkit/base/context.h"
#include "layerkit/runner/runtime.h"

namespace layerkit::cli {

/// What every subcommand shares. Each cmd_<verb>.cc has one `void add_<verb>(CLI::App& app,
/// Session& session)` that declares the subcommand and sets a callback; the callback prints
/// (cli/output.h), and sets `exit_code` where it is not 0. Errors leave it as layerkit::Error; main
/// prints "runner: <message>" and writes it to the log, where there is one.
struct Session : RunState {
  std::string root;
  std::string log;
  std::string log_format = "text";
  bool systemd_cgroup = false;
  std::string cgroup_manager = "cgroupfs";
  std::string rootless = "auto";
  std::string criu;
  /// `warn` prints "runner: warning: …" on standard error and to the log; `interrupted` is set by
  /// SIGINT and SIGTERM.
  Context context;
  /// Which one that was; 0: none.
  const std::atomic<int>* interrupting_signal = nullptr;

  /// Before the first use: the options that concern all commands are looked at.
  Runtime runtime();
};

/// /run/runner, or for other users than root a directory of theirs.
std::string default_root();

/// Sends errors and warnings to the file, too, as lines of the format.
void open_log(const std::string& path, const std::string& format);

}  // namespace layerkit::cli
