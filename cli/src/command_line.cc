#include "cli/command_line.h"

#include <string_view>

#include "cli/help.h"

namespace layerkit::cli {
namespace {

const CLI::Option* find_long(const CLI::App& command, std::string_view name) {
  return command.get_option_no_throw("--" + std::string(name));
}

const CLI::App* find_subcommand(const CLI::App& command, const std::string& name) {
  const auto found = command.get_subcommands(
      [&](const CLI::App* subcommand) { return subcommand->check_name(name); });
  return found.empty() ? nullptr : found.front();
}

/// True when the value of the last option in "-abc" is the next argument.
bool wants_next(const CLI::App& command, std::string_view cluster) {
  for (std::size_t i = 0; i < cluster.size(); ++i) {
    const auto* option = command.get_option_no_throw(std::string("-") + cluster[i]);
    if (option != nullptr && takes_value(*option)) return i + 1 == cluster.size();
  }
  return false;
}

/// Copies one argument; true when the next one is its value.
bool take_option(const CLI::App& command,
                 const std::string& argument,
                 std::vector<std::string>& result) {
  if (!argument.starts_with("--")) {
    result.push_back(argument);
    return wants_next(command, std::string_view(argument).substr(1));
  }
  const auto equals = argument.find('=');
  const auto* option = find_long(command, std::string_view(argument).substr(2, equals - 2));
  const bool has_value = option != nullptr && takes_value(*option);
  if (has_value && equals != std::string::npos && equals + 1 == argument.size()) {
    result.push_back(argument.substr(0, equals));
    result.emplace_back();
    return false;
  }
  result.push_back(argument);
  return has_value && equals == std::string::npos;
}

}  // namespace

CommandLine prepare_command_line(const CLI::App& app, const std::vector<std::string>& arguments) {
  CommandLine line;
  const CLI::App* command = &app;
  bool is_value = false;
  for (auto argument = arguments.begin(); argument != arguments.end(); ++argument) {
    if (is_value || *argument == "-" || !argument->starts_with('-')) {
      line.arguments.push_back(*argument);
      if (std::exchange(is_value, false)) continue;
      if (command->get_option_no_throw(kCommandPositional) != nullptr) {
        line.command.assign(argument + 1, arguments.end());
        return line;
      }
      if (const auto* next = find_subcommand(*command, *argument)) command = next;
      continue;
    }
    if (*argument == "--") {
      line.arguments.insert(line.arguments.end(), argument, arguments.end());
      return line;
    }
    is_value = take_option(*command, *argument, line.arguments);
  }
  return line;
}

std::string subcommand_word(const CLI::App& app, const std::vector<std::string>& arguments) {
  std::vector<std::string> passed;
  bool is_value = false;
  for (const std::string& argument : arguments) {
    if (argument == "--") break;
    if (!is_value && !argument.starts_with('-')) return argument;
    is_value = !is_value && take_option(app, argument, passed);
  }
  return {};
}

}  // namespace layerkit::cli
