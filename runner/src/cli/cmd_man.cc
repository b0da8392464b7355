#include "cli/commands.h"
#include "cli/man_page.h"
#include "cli/man_text.h"
#include "cli/output.h"

namespace layerkit::cli {

void add_man(CLI::App& app, Session& /*session*/) {
  CLI::App* command =
      app.add_subcommand("__man", "Print the manual page (for the build)")->group(kHidden);
  command->callback([&app] {
    print(man_page(app, {.section = "8",
                         .manual = "System Administration",
                         .more_synopsis = {},
                         .description = kManDescription,
                         .before_exit_status = kManSections,
                         .after_exit_status = kManAfterExitStatus}));
  });
}

}  // namespace layerkit::cli
