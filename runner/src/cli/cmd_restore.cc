#include "cli/commands.h"
#include "layerkit/base/error.h"

namespace layerkit::cli {

void add_restore(CLI::App& app, Session& /*session*/) {
  CLI::App* command = app.add_subcommand("restore", "Refused: not supported")->group(kHidden);
  // Whatever it is called with, the answer is the same.
  command->allow_extras();
  command->callback(
      [] { fail(Errc::Unsupported, "restore: not supported, since it is not built with CRIU"); });
}

}  // namespace layerkit::cli
