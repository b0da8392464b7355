#include <memory>

#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/output.h"

namespace layerkit::cli {
namespace {

/// "ps" knows containers by name.
CompletionPlan completion_plan() {
  return {
      .names = {{{"IMAGE", "REPOSITORY"}, "image", "images --format '{{.Repository}}:{{.Tag}}'"},
                {{"CONTAINER"}, "container", "ps -a --format '{{.Names}}'"}},
      .passed_option = "--root"};
}

}  // namespace

void add_completion(CLI::App& app, Session& /*session*/) {
  CLI::App* command =
      app.add_subcommand("completion", "Print the completion script for a shell")->group(kSystem);
  command->footer(
      "To load it into the present shell:\n"
      "  bash:  source <(imagetool completion bash)\n"
      "  zsh:   source <(imagetool completion zsh)\n"
      "  fish:  imagetool completion fish | source");
  auto shell = std::make_shared<std::string>();
  command->add_option("shell", *shell, "Shell")
      ->type_name("bash|zsh|fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->callback([&app, shell] {
    const CompletionPlan plan = completion_plan();
    if (*shell == "bash") print(bash_completion(app, plan));
    if (*shell == "zsh") print(zsh_completion(app, plan));
    if (*shell == "fish") print(fish_completion(app, plan));
  });
}

}  // namespace layerkit::cli
