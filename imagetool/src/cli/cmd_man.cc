#include "cli/commands.h"
#include "cli/man_page.h"
#include "cli/output.h"

namespace layerkit::cli {

void add_man(CLI::App& app, Session& /*session*/) {
  CLI::App* command =
      app.add_subcommand("__man", "Print the manual page (for the build)")->group(kHidden);
  command->callback([&app] { print(man_page(app)); });
}

}  // namespace layerkit::cli
