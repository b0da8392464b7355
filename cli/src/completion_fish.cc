#include <fmt/format.h>

#include "cli/completion.h"
#include "cli/help.h"

namespace layerkit::cli {
namespace {

/// Asks the program with the option of the line that it needs.
std::string prologue(const CompletionPlan& plan) {
  std::string text =
      "# fish completion for @PROGRAM@\n\nfunction __@PROGRAM@_names\n    set -l passed\n";
  if (!plan.passed_option.empty()) {
    text += fmt::format(
        "    set -l typed (commandline -opc)\n"
        "    if set -l at (contains -i -- {0} $typed)\n"
        "        set passed {0} $typed[(math $at + 1)]\n"
        "    end\n",
        plan.passed_option);
  }
  return text +
         "    @PROGRAM@ $passed $argv 2>/dev/null | string match -v '*<none>*'\n"
         "end\n\ncomplete -c @PROGRAM@ -f\n";
}

/// A fish word: only ' and \ are special between single quotes.
std::string fish_word(std::string_view text) {
  std::string word = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') word += '\\';
    word += c;
  }
  return word + "'";
}

/// The options of `complete` that offer a value's candidates.
std::string candidates(const CLI::Option& option, const CompletionPlan& plan) {
  const std::vector<std::string> words = value_words(option);
  if (!words.empty()) return " -a " + fish_word(fmt::format("{}", fmt::join(words, " ")));
  const ValueKind kind = kind_of(value_name(option), plan);
  std::string text;
  for (const NameListing& listing : kind.names)
    text += " -a " + fish_word(fmt::format("(__@PROGRAM@_names {})", listing.command));
  if (kind.file) text += " -F";
  if (kind.directory && !kind.file) text += " -a '(__fish_complete_directories)'";
  return text;
}

std::string flag_lines(const CLI::App& command,
                       std::string_view condition,
                       const CompletionPlan& plan) {
  std::string text;
  for (const CLI::Option* flag : flags_of(command)) {
    text += fmt::format("complete -c @PROGRAM@ -n {}", fish_word(condition));
    for (const std::string& name : flag->get_snames()) {
      text += " -s " + name;
    }
    for (const std::string& name : flag->get_lnames()) {
      text += " -l " + name;
    }
    if (takes_value(*flag)) text += " -r" + candidates(*flag, plan);
    text += fmt::format(" -d {}\n", fish_word(flag->get_description()));
  }
  return text;
}

}  // namespace

std::string fish_completion(const CLI::App& app, const CompletionPlan& plan) {
  std::string text = prologue(plan);
  text += flag_lines(app, "__fish_use_subcommand", plan);
  for (const CLI::App* command : visible_commands(app)) {
    text += fmt::format("\ncomplete -c @PROGRAM@ -n __fish_use_subcommand -a {} -d {}\n",
                        command->get_name(), fish_word(command->get_description()));
    const std::string condition = "__fish_seen_subcommand_from " + command->get_name();
    text += flag_lines(*command, condition, plan);
    for (const CLI::App* below : visible_commands(*command)) {
      text += fmt::format("complete -c @PROGRAM@ -n {} -a {} -d {}\n", fish_word(condition),
                          below->get_name(), fish_word(below->get_description()));
      text += flag_lines(
          *below, condition + "; and __fish_seen_subcommand_from " + below->get_name(), plan);
    }
    for (const CLI::Option* positional : positionals_of(*command)) {
      const std::string offered = candidates(*positional, plan);
      if (offered.empty()) continue;
      text += fmt::format("complete -c @PROGRAM@ -n {}{}\n", fish_word(condition), offered);
    }
  }
  return with_program(text, app.get_name());
}

}  // namespace layerkit::cli
