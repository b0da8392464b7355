#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

namespace layerkit::cli {

/// Completion scripts, made from the command tree (conventions: cli/help.h). Names of images and
/// containers are asked of the program itself while completing, with the --root of the line.
std::string bash_completion(const CLI::App& app);
std::string zsh_completion(const CLI::App& app);
std::string fish_completion(const CLI::App& app);

/// What a value name stands for.
struct ValueKind {
  bool image = false;
  bool container = false;
  bool file = false;
  bool directory = false;
};
ValueKind kind_of(std::string_view value_name);

/// 'text' as one word of any POSIX shell.
std::string shell_word(std::string_view text);

// What prints one name a line. "ps" knows containers by name.
inline constexpr std::string_view kListImages = "images --format '{{.Repository}}:{{.Tag}}'";
inline constexpr std::string_view kListContainers = "ps -a --format '{{.Names}}'";

}  // namespace layerkit::cli
