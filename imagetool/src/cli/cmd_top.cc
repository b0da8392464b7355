#include <memory>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/listing.h"
#include "cli/output.h"
#include "layerkit/imagetool/container_top.h"

namespace layerkit::cli {
namespace {

std::string joined(const std::vector<std::string>& cells) {
  std::string line;
  for (const auto& cell : cells)
    line += (line.empty() ? "" : "\t") + cell;
  return line;
}

}  // namespace

void add_top(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("top", "Display the running processes of a container")->group(kContainers);
  command->footer(
      "What follows CONTAINER is as for ps(1): -ef (default), aux, -o COLUMN[,COLUMN...], or names "
      "of columns.");
  struct Options {
    std::string container;
    std::string words;
  };
  auto options = std::make_shared<Options>();
  command->add_option("container", options->container, "Container")
      ->type_name("CONTAINER")
      ->required();
  command->add_option(kCommandPositional, options->words, "What to show of them")
      ->type_name("PS_OPTION...");
  command->callback([&session, options] {
    const ContainerStore store(session.store_with("container", options->container));
    const ContainerInfo container = store.find(options->container);
    const auto columns = parse_process_columns(session.command_arguments);
    const ProcessTable table = list_container_processes(store, container, columns);
    std::vector<std::string> lines = {joined(table.titles)};
    for (const auto& row : table.rows)
      lines.push_back(joined(row));
    print(align_table(lines));
  });
}

}  // namespace layerkit::cli
