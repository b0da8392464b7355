#include <fmt/format.h>

#include "cli/completion.h"
#include "cli/help.h"

namespace layerkit::cli {
namespace {

constexpr std::string_view kPrologue = R"fish(# fish completion for imagetool

function __imagetool_names
    set -l root
    set -l typed (commandline -opc)
    if set -l at (contains -i -- --root $typed)
        set root --root $typed[(math $at + 1)]
    end
    imagetool $root $argv 2>/dev/null | string match -v '*<none>*'
end

complete -c imagetool -f
)fish";

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
std::string candidates(const CLI::Option& option) {
  const std::vector<std::string> words = value_words(option);
  if (!words.empty()) return " -a " + fish_word(fmt::format("{}", fmt::join(words, " ")));
  const ValueKind kind = kind_of(value_name(option));
  std::string text;
  if (kind.image) text += " -a " + fish_word(fmt::format("(__imagetool_names {})", kListImages));
  if (kind.container) {
    text += " -a " + fish_word(fmt::format("(__imagetool_names {})", kListContainers));
  }
  if (kind.file) text += " -F";
  if (kind.directory && !kind.file) text += " -a '(__fish_complete_directories)'";
  return text;
}

std::string flag_lines(const CLI::App& command, std::string_view condition) {
  std::string text;
  for (const CLI::Option* flag : flags_of(command)) {
    text += fmt::format("complete -c imagetool -n {}", fish_word(condition));
    for (const std::string& name : flag->get_snames()) {
      text += " -s " + name;
    }
    for (const std::string& name : flag->get_lnames()) {
      text += " -l " + name;
    }
    if (takes_value(*flag)) text += " -r" + candidates(*flag);
    text += fmt::format(" -d {}\n", fish_word(flag->get_description()));
  }
  return text;
}

}  // namespace

std::string fish_completion(const CLI::App& app) {
  std::string text(kPrologue);
  text += flag_lines(app, "__fish_use_subcommand");
  for (const CLI::App* command : visible_commands(app)) {
    text += fmt::format("\ncomplete -c imagetool -n __fish_use_subcommand -a {} -d {}\n",
                        command->get_name(), fish_word(command->get_description()));
    const std::string condition = "__fish_seen_subcommand_from " + command->get_name();
    text += flag_lines(*command, condition);
    for (const CLI::App* below : visible_commands(*command)) {
      text += fmt::format("complete -c imagetool -n {} -a {} -d {}\n", fish_word(condition),
                          below->get_name(), fish_word(below->get_description()));
      text +=
          flag_lines(*below, condition + "; and __fish_seen_subcommand_from " + below->get_name());
    }
    for (const CLI::Option* positional : positionals_of(*command)) {
      const std::string offered = candidates(*positional);
      if (offered.empty()) continue;
      text += fmt::format("complete -c imagetool -n {}{}\n", fish_word(condition), offered);
    }
  }
  return text;
}

}  // namespace layerkit::cli
