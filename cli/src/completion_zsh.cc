#include <fmt/format.h>

#include "cli/completion.h"
#include "cli/help.h"

namespace layerkit::cli {
namespace {

/// Asks the program with the option of the line that it needs.
std::string prologue(const CompletionPlan& plan) {
  std::string text = "#compdef @PROGRAM@\n\n_@PROGRAM@_names() {\n  local -a passed names\n";
  if (!plan.passed_option.empty()) {
    text +=
        fmt::format("  (( $+opt_args[{0}] )) && passed=({0} $opt_args[{0}])\n", plan.passed_option);
  }
  text +=
      "  names=(${${(f)\"$(@PROGRAM@ $passed $@ 2>/dev/null)\"}:#*'<none>'*})\n"
      "  compadd -a names\n}\n\n";
  for (const NameListing& listing : plan.names)
    text +=
        fmt::format("_@PROGRAM@_{}() {{ _@PROGRAM@_names {} }}\n", listing.kind, listing.command);
  return text +
         "\n_@PROGRAM@() {\n  local curcontext=$curcontext state line\n  typeset -A opt_args\n";
}

constexpr std::string_view kEpilogue = R"zsh(      esac
      ;;
  esac
}

_@PROGRAM@ "$@"
)zsh";

/// Text inside the brackets and between the colons of an _arguments specification.
std::string plain(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

/// ":MESSAGE:ACTION" for a value.
std::string value_action(const CLI::Option& option, const CompletionPlan& plan) {
  const std::vector<std::string> words = value_words(option);
  const ValueKind kind = kind_of(value_name(option), plan);
  std::string action = " ";
  if (!words.empty()) {
    action = fmt::format("({})", fmt::join(words, " "));
  } else if (!kind.names.empty()) {
    std::string calls;
    for (const NameListing& listing : kind.names)
      calls += fmt::format("{}_@PROGRAM@_{}", calls.empty() ? "" : "; ", listing.kind);
    action = kind.names.size() == 1 ? calls : fmt::format("{{{}}}", calls);
  } else if (kind.file || kind.directory) {
    action = kind.file ? "_files" : "_files -/";
  }
  return fmt::format(":{}:{}", plain(value_name(option)), action);
}

std::string flag_lines(const std::vector<const CLI::Option*>& flags,
                       std::string_view indent,
                       const CompletionPlan& plan) {
  std::string text;
  for (const CLI::Option* flag : flags) {
    const std::string tail = fmt::format("[{}]{}", plain(flag->get_description()),
                                         takes_value(*flag) ? value_action(*flag, plan) : "");
    const char* many = flag->get_items_expected_max() > 1 ? "*" : "";
    const char* equals = takes_value(*flag) ? "=" : "";
    for (const std::string& name : flag->get_snames()) {
      const std::string word = fmt::format("{}-{}{}", many, name, tail);
      text += fmt::format("{}{} \\\n", indent, shell_word(word));
    }
    for (const std::string& name : flag->get_lnames()) {
      const std::string word = fmt::format("{}--{}{}{}", many, name, equals, tail);
      text += fmt::format("{}{} \\\n", indent, shell_word(word));
    }
  }
  return text;
}

std::string command_case(const CLI::App& command, const CompletionPlan& plan) {
  constexpr std::string_view kIndent = "            ";
  std::string text = fmt::format("        {})\n          _arguments \\\n", command.get_name());
  text += flag_lines(flags_of_all(command), kIndent, plan);
  std::string below;
  for (const CLI::App* one : visible_commands(command))
    below += (below.empty() ? "" : " ") + one->get_name();
  if (!below.empty()) {
    text += fmt::format("{}{} \\\n", kIndent, shell_word(fmt::format("1:COMMAND:({})", below)));
  }
  for (const CLI::Option* positional : positionals_of(command)) {
    const bool many = positional->get_items_expected_max() > 1;
    text += fmt::format("{}{} \\\n", kIndent,
                        shell_word((many ? "*" : "") + value_action(*positional, plan)));
  }
  return text + "            && return\n          ;;\n";
}

}  // namespace

std::string zsh_completion(const CLI::App& app, const CompletionPlan& plan) {
  std::string text = prologue(plan);
  text += "  _arguments -C \\\n" + flag_lines(flags_of(app), "    ", plan);
  text += "    '1: :->command' \\\n    '*:: :->arguments' && return\n";
  text += "  case $state in\n    command)\n      local -a commands\n      commands=(\n";
  for (const CLI::App* command : visible_commands(app)) {
    text += fmt::format("        {}\n",
                        shell_word(command->get_name() + ":" + plain(command->get_description())));
  }
  text += "      )\n      _describe command commands\n      ;;\n    arguments)\n";
  text += "      case $words[1] in\n";
  for (const CLI::App* command : visible_commands(app)) {
    text += command_case(*command, plan);
  }
  return with_program(text + std::string(kEpilogue), app.get_name());
}

}  // namespace layerkit::cli
