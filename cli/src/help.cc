#include "cli/help.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "layerkit/base/text.h"

namespace layerkit::cli {
namespace {

/// "-a, --all", "    --format FORMAT"
std::string option_heading(const CLI::Option& option) {
  std::string heading = "  ";
  const std::vector<std::string>& shorts = option.get_snames();
  const std::vector<std::string>& longs = option.get_lnames();
  heading += shorts.empty() ? "    " : "-" + shorts.front();
  if (!shorts.empty() && !longs.empty()) heading += ", ";
  if (!longs.empty()) heading += "--" + longs.front();
  if (takes_value(option)) heading += " " + value_name(option);
  return heading;
}

/// Two columns, the second aligned for all rows.
std::string two_columns(const std::vector<std::pair<std::string, std::string>>& rows) {
  constexpr std::size_t kMaxWidth = 34;  // longer first columns push only their own second one
  std::size_t width = 0;
  for (const auto& [left, right] : rows) {
    if (left.size() <= kMaxWidth) width = std::max(width, left.size());
  }
  std::string text;
  for (const auto& [left, right] : rows) {
    text += right.empty() ? left + "\n" : fmt::format("{:<{}}   {}\n", left, width, right);
  }
  return text;
}

std::string commands_text(const CLI::App& app) {
  std::vector<std::string> groups;
  for (const CLI::App* command : visible_commands(app)) {
    if (std::ranges::find(groups, command->get_group()) == groups.end()) {
      groups.push_back(command->get_group());
    }
  }
  std::string text;
  for (const std::string& group : groups) {
    std::vector<std::pair<std::string, std::string>> rows;
    for (const CLI::App* command : visible_commands(app)) {
      if (command->get_group() != group) continue;
      rows.emplace_back(fmt::format("  {:<12}", command->get_name()), command->get_description());
    }
    text += fmt::format("\n{}:\n{}", group, two_columns(rows));
  }
  return text;
}

std::string options_text(const CLI::App& command) {
  std::vector<std::pair<std::string, std::string>> rows;
  for (const CLI::Option* option : flags_of(command)) {
    rows.emplace_back(option_heading(*option), description(*option));
  }
  return rows.empty() ? std::string() : "\nOptions:\n" + two_columns(rows);
}

std::string help_text(const CLI::App& command) {
  const bool is_top = command.get_parent() == nullptr;
  std::string text =
      fmt::format("Usage:  {}\n\n{}\n", usage_line(command), command.get_description());
  text += commands_text(command);
  text += options_text(command);
  if (!command.get_footer().empty()) text += "\n" + command.get_footer() + "\n";
  if (is_top) {
    text += fmt::format("\nRun '{} COMMAND --help' for more information on a command.\n",
                        command.get_name());
  }
  return text;
}

}  // namespace

bool is_visible(const CLI::App& command) {
  return !command.get_group().empty();
}
bool is_visible(const CLI::Option& option) {
  return !option.get_group().empty();
}

std::vector<const CLI::App*> visible_commands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* command) { return is_visible(*command); });
}

std::vector<const CLI::App*> command_and_below(const CLI::App& command) {
  std::vector<const CLI::App*> commands = visible_commands(command);
  commands.insert(commands.begin(), &command);
  return commands;
}

std::vector<const CLI::Option*> flags_of(const CLI::App& command) {
  std::vector<const CLI::Option*> flags = command.get_options(
      [](const CLI::Option* option) { return option->nonpositional() && is_visible(*option); });
  // The ranges form does not compile with clang 14 on libstdc++ 12.
  std::stable_partition(flags.begin(), flags.end(), [&](const CLI::Option* option) {
    return option != command.get_help_ptr();
  });
  return flags;
}

std::vector<const CLI::Option*> flags_of_all(const CLI::App& command) {
  std::vector<const CLI::Option*> flags = flags_of(command);
  for (const CLI::App* below : visible_commands(command)) {
    for (const CLI::Option* flag : flags_of(*below)) {
      if (flag != below->get_help_ptr()) flags.push_back(flag);
    }
  }
  return flags;
}

std::vector<const CLI::Option*> positionals_of(const CLI::App& command) {
  return command.get_options(
      [](const CLI::Option* option) { return option->get_positional() && is_visible(*option); });
}

bool takes_value(const CLI::Option& option) {
  return option.get_items_expected_max() > 0;
}

std::string value_name(const CLI::Option& option) {
  // CLI11 appends what its validators say, such as ":{image,container}" or ":INT in [1 - 64]".
  std::string name = option.get_type_name();
  for (const char* validator : {":{", ":INT in ", ":UINT in ", ":FLOAT in ", ":invalid "})
    name.resize(std::min(name.size(), name.find(validator)));
  return name;
}

std::string description(const CLI::Option& option) {
  const std::string standard = option.get_default_str();
  if (!takes_value(option) || standard.empty()) return option.get_description();
  return fmt::format("{} (default {})", option.get_description(), standard);
}

std::vector<std::string> value_words(const CLI::Option& option) {
  const std::string name = value_name(option);
  const bool lists_words = name.find('|') != std::string::npos &&
                           std::ranges::none_of(name, [](char c) { return c >= 'A' && c <= 'Z'; });
  if (!takes_value(option) || !lists_words) return {};
  std::vector<std::string> words;
  for (const std::string_view word : split(name, '|')) {
    words.emplace_back(word);
  }
  return words;
}

std::string positional_usage(const CLI::Option& option) {
  const std::string name = value_name(option);
  if (name.starts_with('[')) return name;  // says itself what may be left out: "[SOURCE] DIR"
  const bool many = option.get_items_expected_max() > 1;
  if (option.get_required()) return many ? fmt::format("{0} [{0}...]", name) : name;
  return many ? fmt::format("[{}...]", name) : fmt::format("[{}]", name);
}

std::string full_command(const CLI::App& command) {
  const CLI::App* parent = command.get_parent();
  return parent == nullptr ? command.get_name() : full_command(*parent) + " " + command.get_name();
}

std::string usage_line(const CLI::App& command) {
  std::string line = full_command(command);
  if (!flags_of(command).empty()) line += " [OPTIONS]";
  if (!visible_commands(command).empty()) line += " COMMAND";
  for (const CLI::Option* positional : positionals_of(command)) {
    line += " " + positional_usage(*positional);
  }
  return line;
}

std::shared_ptr<CLI::FormatterBase> make_help_formatter() {
  return std::make_shared<CLI::FormatterLambda>(
      [](const CLI::App* command, const std::string& /*name*/, CLI::AppFormatMode /*mode*/) {
        return help_text(*command);
      });
}

}  // namespace layerkit::cli
