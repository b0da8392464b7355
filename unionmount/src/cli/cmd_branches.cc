#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/union_facts.h"
#include "cli/union_json.h"
#include "layerkit/base/text.h"

namespace layerkit::cli {

void add_branches(CLI::App& app, Session& /*session*/) {
  CLI::App* command = app.add_subcommand("branches", "Show the branches of a union, the top first")
                          ->group(kBranches);
  struct Arguments {
    std::string format = "text";
    std::string mount_point;
  };
  auto arguments = std::make_shared<Arguments>();
  command->add_option("--format", arguments->format, "How: 'text' is PATH=PERMISSION a line")
      ->type_name("text|json")
      ->default_str("text")
      ->check(CLI::IsMember({"text", "json"}));
  command->add_option("mountpoint", arguments->mount_point, "Where it is mounted")
      ->type_name("MOUNTPOINT")
      ->required();
  command->callback([arguments] {
    const std::vector<BranchState> branches = union_at(arguments->mount_point).branches;
    if (arguments->format == "json") {
      print_line(dump_json(to_json(branches)));
      return;
    }
    for (const BranchState& branch : branches)
      print_line(escaped(branch.path) + "=" + branch.permission);
  });
}

}  // namespace layerkit::cli
