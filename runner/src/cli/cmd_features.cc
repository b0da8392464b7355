
#include "cli/commands.h"
#include "cli/output.h"
#include "layerkit/runner/documents.h"

namespace layerkit::cli {

void add_features(CLI::App& app, Session& /*session*/) {
  CLI::App* command =
      app.add_subcommand("features", "Print what this runtime knows, as JSON")->group(kSystem);
  command->callback([] { print_line(runtime_features()); });
}

}  // namespace layerkit::cli
