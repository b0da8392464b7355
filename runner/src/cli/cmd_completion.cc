#include <memory>

#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/output.h"

namespace layerkit::cli {

void add_completion(CLI::App& app, Session& /*session*/) {
  CLI::App* command =
      app.add_subcommand("completion", "Print the completion script for a shell")->group(kSystem);
  command->footer(
      "To load it into the present shell:\n"
      "  bash:  source <(runner completion bash)\n"
      "  zsh:   source <(runner completion zsh)\n"
      "  fish:  runner completion fish | source");
  auto shell = std::make_shared<std::string>();
  command->add_option("shell", *shell, "Shell")
      ->type_name("bash|zsh|fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->callback([&app, shell] {
    const CompletionPlan plan{.names = {{{"CONTAINER"}, "container", "list -q"}},
                              .passed_option = "--root"};
    if (*shell == "bash") print(bash_completion(app, plan));
    if (*shell == "zsh") print(zsh_completion(app, plan));
    if (*shell == "fish") print(fish_completion(app, plan));
  });
}

}  // namespace layerkit::cli
