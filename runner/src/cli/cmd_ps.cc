#include <array>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/host_ps.h"
#include "cli/output.h"

namespace layerkit::cli {

void add_ps(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("ps", "List the processes of a container")->group(kProcesses);
  struct Arguments {
    std::string id;
    std::string format = "table";
    std::vector<std::string> options;
  };
  auto arguments = std::make_shared<Arguments>();
  add_container(*command, arguments->id);
  command->add_option(kCommandPositional, arguments->options, "Options of ps(1); -ef when none")
      ->type_name("OPTION");
  command->add_option("-f,--format", arguments->format, "How they are listed")
      ->type_name("table|json")
      ->default_str("table")
      ->check(CLI::IsMember({"table", "json"}).description("invalid format option"));
  command->callback([&session, arguments] {
    const std::vector<pid_t> pids = session.runtime().processes(arguments->id);
    if (arguments->format == "json") {
      print_line(nlohmann::json(pids).dump());
      return;
    }
    std::vector<std::string> options = arguments->options;
    options.insert(options.end(), session.command_arguments.begin(),
                   session.command_arguments.end());
    print(host_ps(options.empty() ? std::vector<std::string>{"-ef"} : options, pids));
  });
}

}  // namespace layerkit::cli
