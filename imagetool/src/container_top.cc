#include "layerkit/imagetool/container_top.h"

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/runner/container_cgroup.h"
#include "process_columns.h"

namespace layerkit {
namespace {

using Words = std::vector<std::string>;

void add_columns(std::string_view list, Words& columns) {
  for (const std::string_view name : split(list, ',')) {
    if (name.empty()) continue;
    if (find_process_column(name) == nullptr)
      fail(Errc::Invalid, "{} is not the name of a column", quoted(name));
    columns.emplace_back(name);
  }
}

/// The columns of "-ef", "aux"; nullopt for anything else.
std::optional<Words> usual_columns(std::string_view argument) {
  const std::string_view letters = argument.substr(argument.starts_with('-') ? 1 : 0);
  if (argument.starts_with('-') && !letters.empty() &&
      letters.find_first_not_of("eAf") == std::string_view::npos) {
    return Words{"euser", "pid", "ppid", "c", "stime", "tty", "time", "cmd"};
  }
  if (letters == "aux" || letters == "axu" || letters == "ux") {
    return Words{"user", "pid",  "%cpu",  "%mem", "vsz",    "rss",
                 "tty",  "stat", "start", "time", "command"};
  }
  return std::nullopt;
}

}  // namespace

Words parse_process_columns(const Words& arguments) {
  Words columns;
  Words usual = *usual_columns("-ef");
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    const auto option = argument.starts_with('-') ? argument.find('o') : std::string_view::npos;
    if (option != std::string_view::npos) {
      const std::string_view list = argument.substr(option + 1);
      if (list.empty() && i + 1 == arguments.size())
        fail(Errc::Invalid, "{}: the names of columns are missing", quoted(argument));
      add_columns(list.empty() ? std::string_view(arguments[++i]) : list, columns);
    } else if (auto known = usual_columns(argument)) {
      usual = std::move(*known);
    } else if (argument.starts_with('-')) {
      fail(Errc::Invalid, "{}: only -ef, aux, -o COLUMN,... and names of columns are known",
           quoted(argument));
    } else {
      add_columns(argument, columns);
    }
  }
  return columns.empty() ? usual : columns;
}

ProcessTable list_container_processes(const ContainerStore& store,
                                      const ContainerInfo& container,
                                      const Words& columns) {
  const auto state = store.state(container.id);
  if (!state || state->status != ContainerStatus::Running)
    fail(Errc::Invalid, "container {} is not running", container.name);
  const auto cgroup = find_container_cgroup(cgroups_path_of(container));
  if (cgroup == nullptr)
    fail(Errc::Unsupported, "listing the processes of container {}: it has no cgroup",
         container.name);
  ProcessTable table;
  std::vector<const ProcessColumn*> wanted;
  for (const auto& name : columns) {
    const ProcessColumn* const column = find_process_column(name);
    if (column == nullptr) fail(Errc::Invalid, "{} is not the name of a column", quoted(name));
    wanted.push_back(column);
    // As "ps -ef" calls it.
    table.titles.emplace_back(name == "euser" ? "UID" : column->title);
  }
  const Machine machine = read_machine();
  for (const pid_t pid : cgroup->processes()) {
    const auto facts = read_process(pid);
    if (!facts) continue;
    auto& row = table.rows.emplace_back();
    for (const auto* column : wanted)
      row.push_back(column->text(*facts, machine));
  }
  return table;
}

}  // namespace layerkit
