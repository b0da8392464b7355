#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/run_app.h"
#include "layerkit/base/context.h"
#include "layerkit/base/error.h"
#include "layerkit/imagetool/image_store.h"
#include "layerkit/runner/container_spec.h"

namespace layerkit::cli {

/// What every subcommand shares: the global options and the store, opened when first needed.
/// Each cmd_<verb>.cc has one `void add_<verb>(CLI::App& app, Session& session)` that declares the
/// subcommand and sets a callback; the callback prints (cli/output.h), and sets `exit_code` where
/// it is not 0. Errors leave the callback as layerkit::Error; main prints "imagetool: <message>"
/// and exits with `failure_exit_code`; `run` makes that and `usage_exit_code` 125 as long as no
/// process has started.
struct Session : RunState {
  std::string root = "/var/lib/layerkit";
  std::string driver;  ///< what --driver says; empty: the store's, or the best for a new one
  /// Of the layer store, but for the driver; to be changed before the first call of `store`.
  StoreOptions store_options;
  /// `warn` prints "imagetool: warning: …" on standard error; `interrupted` is set by SIGINT and
  /// SIGTERM.
  Context context;
  /// The limit of open files that containers start with when it is not that of this process.
  std::optional<Rlimit> container_descriptors;

  /// Makes one where there is none.
  ImageStore& store();
  /// Who only looks, or needs what is in it, does not make one.
  bool has_store() const;
  /// The store, in which the user means this object; `kind`: "image", "container". Without a store
  /// Error{NotFound} as for one that lacks it.
  ImageStore& store_with(std::string_view kind, const std::string& name);
  /// Prints the error as main would and makes the exit code 1, for commands that go on.
  void report(const Error& error);
  /// Runs `work` on one of several objects: its failure is reported and the next one's turn comes.
  /// An interruption, and a reader of the output that has gone, still end the command.
  void attempt(const std::function<void()>& work);

 private:
  std::unique_ptr<ImageStore> store_;
};

}  // namespace layerkit::cli
