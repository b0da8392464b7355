#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace layerkit::cli {

/// Name of the positional of a subcommand that takes a command line of its own (`run`): whatever
/// stands after its first argument belongs to that and is not looked at.
inline constexpr char kCommandPositional[] = "command";

struct CommandLine {
  std::vector<std::string> arguments;  ///< for CLI11, without the program's name
  std::vector<std::string> command;    ///< the command line inside it, byte for byte
};

/// Prepares a command line for CLI11, which differs from docker's parser in two ways: it takes
/// "--option=" for an option whose value comes next, and it interprets arguments of the form
/// "[a,b]".
CommandLine prepare_command_line(const CLI::App& app, const std::vector<std::string>& arguments);

/// The first argument that is neither an option of `app` nor the value of one: the subcommand's
/// name.
/// "" where there is none. A program can look at it before it declares its subcommands.
std::string subcommand_word(const CLI::App& app, const std::vector<std::string>& arguments);

}  // namespace layerkit::cli
