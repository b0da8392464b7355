#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

namespace layerkit::cli {

// What help texts, the manual page and the completions need to know about the command tree, so that
// all are made from the one declaration.
//
// Conventions of the declarations: a positional's type_name says what it takes ("IMAGE",
// "CONTAINER", "FILE", "DIR", in any combination such as "IMAGE|CONTAINER"); an option's type_name
// names its value, or lists the words it takes in lower case ("docker-archive|oci-archive").

/// Shown in help: not hidden by an empty group.
bool is_visible(const CLI::App& command);
bool is_visible(const CLI::Option& option);

std::vector<const CLI::App*> visible_commands(const CLI::App& app);
/// The command and those below it ("system", "system df").
std::vector<const CLI::App*> command_and_below(const CLI::App& command);
/// Options with a dash, in the order of declaration, --help last.
std::vector<const CLI::Option*> flags_of(const CLI::App& command);
/// Those of the command and of the ones below it, --help once.
std::vector<const CLI::Option*> flags_of_all(const CLI::App& command);
std::vector<const CLI::Option*> positionals_of(const CLI::App& command);

bool takes_value(const CLI::Option& option);
/// "IMAGE": what stands for the value.
std::string value_name(const CLI::Option& option);
/// What it does, and its default: "Directory of the store (default /var/lib/layerkit)".
std::string description(const CLI::Option& option);
/// The words an option takes, when its value name lists them.
std::vector<std::string> value_words(const CLI::Option& option);
/// "IMAGE [IMAGE...]", "[COMMAND] [ARG...]": docker's notation.
std::string positional_usage(const CLI::Option& option);
/// "imagetool images [OPTIONS] [REPOSITORY]"
std::string usage_line(const CLI::App& command);
/// "imagetool images"
std::string full_command(const CLI::App& command);

/// Docker's help layout.
std::shared_ptr<CLI::FormatterBase> make_help_formatter();

}  // namespace layerkit::cli
