#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace layerkit::cli {

/// Names that the program itself prints, one a line, while completing.
struct NameListing {
  /// A value whose name mentions one of these takes such names: "IMAGE".
  std::vector<std::string> words;
  std::string kind;     ///< a word for it in the script: "image"
  std::string command;  ///< "images --format '{{.Repository}}'"
};

/// What the command tree does not say (conventions: cli/help.h).
struct CompletionPlan {
  std::vector<NameListing> names;
  /// The program's option whose value the listings are asked with: "--root"; may be empty.
  std::string passed_option;
};

/// Completion scripts, made from the command tree.
std::string bash_completion(const CLI::App& app, const CompletionPlan& plan);
std::string zsh_completion(const CLI::App& app, const CompletionPlan& plan);
std::string fish_completion(const CLI::App& app, const CompletionPlan& plan);

/// What a value name stands for.
struct ValueKind {
  std::vector<NameListing> names;
  bool file = false;
  bool directory = false;
};
ValueKind kind_of(std::string_view value_name, const CompletionPlan& plan);

/// 'text' as one word of any POSIX shell.
std::string shell_word(std::string_view text);

/// The text with every "@PROGRAM@" replaced.
std::string with_program(std::string_view text, std::string_view program);

}  // namespace layerkit::cli
