#include "cli/commands.h"
#include "cli/man_page.h"
#include "cli/output.h"

namespace layerkit::cli {
namespace {

constexpr char kDescription[] =
    "keeps container images as a store of layers, mounts them and runs processes in them.\n"
    "Its commands are named and behave as those of docker(1) and podman(1).\n";

constexpr char kMoreExitCodes[] = R"(.PP
.B imagetool run
passes on the exit status of the container's process (128 and the signal's number when a signal
ended it). It exits with 125 when the container could not be set up, 126 when the program cannot be
executed and 127 when it does not exist.
.PP
.BR "imagetool start \-a" ,
.B imagetool attach
and
.B imagetool exec
pass on the exit status of the process in the same way; 0 when the detach keys left a container running,
128 and the signal's number when a signal made them leave a terminal.
.B imagetool exec
exits with 126 when the command cannot be executed and 127 when it does not exist; with
.B \-d
1 in both cases.
.PP
.B imagetool check
exits with 1 when it found anything; after
.B \-\-repair
when anything is left.
.SH FILES
.TP
.I /var/lib/layerkit
The store, unless
.B \-\-root
names another directory.
)";

}  // namespace

void add_man(CLI::App& app, Session& /*session*/) {
  CLI::App* command =
      app.add_subcommand("__man", "Print the manual page (for the build)")->group(kHidden);
  command->callback([&app] {
    print(man_page(app, {.section = "1",
                         .manual = "User Commands",
                         .more_synopsis = {},
                         .description = kDescription,
                         .before_exit_status = {},
                         .after_exit_status = kMoreExitCodes}));
  });
}

}  // namespace layerkit::cli
