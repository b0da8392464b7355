#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/union_facts.h"
#include "cli/union_json.h"
#include "layerkit/base/text.h"

namespace layerkit::cli {
namespace {

using Row = std::array<std::string, 4>;

std::string place_of(const UnionFacts& facts) {
  return facts.mount_points.empty() ? "<none>" : escaped(facts.mount_points.front());
}

/// Columns are two spaces apart.
void print_table(const std::vector<Row>& rows) {
  std::array<std::size_t, 4> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], row[i].size());
  }
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i)
      line += fmt::format("{:<{}}", row[i], i + 1 < row.size() ? widths[i] + 2 : 0);
    print_line(line);
  }
}

void print_unions(const std::vector<UnionFacts>& unions) {
  std::vector<Row> rows = {{"ID", "TYPE", "BRANCHES", "MOUNT POINT"}};
  for (const UnionFacts& facts : unions) {
    rows.push_back(
        {facts.id, facts.type, fmt::format("{}", facts.branches.size()), place_of(facts)});
  }
  print_table(rows);
}

void print_mount_points(const std::vector<UnionFacts>& unions) {
  for (const UnionFacts& facts : unions) {
    for (const std::string& path : facts.mount_points)
      print_line(escaped(path));
  }
}

}  // namespace

void add_list(CLI::App& app, Session& /*session*/) {
  CLI::App* command = app.add_subcommand("list", "List unions with AUFS semantics that are mounted")
                          ->group(kMounts);
  command->alias("ls");
  struct Arguments {
    std::string format = "table";
    bool quiet = false;
  };
  auto arguments = std::make_shared<Arguments>();
  command->add_option("--format", arguments->format, "How: 'json' is one object a line")
      ->type_name("table|json")
      ->default_str("table")
      ->check(CLI::IsMember({"table", "json"}));
  command->add_flag("-q,--quiet", arguments->quiet, "Only show mount points");
  command->callback([arguments] {
    const std::vector<UnionFacts> unions = all_unions();
    if (arguments->quiet) {
      print_mount_points(unions);
    } else if (arguments->format == "json") {
      for (const UnionFacts& facts : unions)
        print_line(dump_json(to_json(facts)));
    } else {
      print_unions(unions);
    }
  });
}

}  // namespace layerkit::cli
