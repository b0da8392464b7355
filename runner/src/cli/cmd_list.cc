#include <algorithm>
#include <array>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/user_name.h"
#include "layerkit/base/text.h"
#include "runtime/container_record.h"

namespace layerkit::cli {
namespace {

using Row = std::array<std::string, 6>;

void print_table(const std::vector<ContainerState>& states) {
  std::vector<Row> rows = {{"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"}};
  for (const ContainerState& state : states) {
    rows.push_back({state.id, std::to_string(state.pid), std::string(status_name(state.status)),
                    escaped(state.bundle), state.created, user_name(state.owner)});
  }
  std::array<std::size_t, 6> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], row[i].size());
  }
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i)
      line += fmt::format("{:<{}}", row[i],
                          i + 1 < row.size() ? std::max<std::size_t>(widths[i], 11) + 1 : 0);
    print_line(line);
  }
}

void print_json(const std::vector<ContainerState>& states) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const ContainerState& state : states) {
    list.push_back(nlohmann::ordered_json::parse(runner::state_json(state, false)));
    list.back()["owner"] = user_name(state.owner);
  }
  // As runc has it: no containers are no list.
  print_line(states.empty() ? "null" : list.dump());
}

}  // namespace

void add_list(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("list", "List containers")->group(kContainers);
  command->alias("ls");
  struct Arguments {
    std::string format = "table";
    bool quiet = false;
  };
  auto arguments = std::make_shared<Arguments>();
  command->add_option("-f,--format", arguments->format, "How they are listed")
      ->type_name("table|json")
      ->default_str("table")
      ->check(CLI::IsMember({"table", "json"}).description("invalid format option"));
  command->add_flag("-q,--quiet", arguments->quiet, "Only show IDs");
  command->callback([&session, arguments] {
    const std::vector<ContainerState> states = session.runtime().list(session.context);
    if (arguments->quiet) {
      for (const ContainerState& state : states)
        print_line(state.id);
    } else if (arguments->format == "json") {
      print_json(states);
    } else {
      print_table(states);
    }
  });
}

}  // namespace layerkit::cli
