#include <fmt/format.h>

#include "cli/completion.h"
#include "cli/help.h"

namespace layerkit::cli {
namespace {

constexpr std::string_view kPrologue = R"zsh(#compdef imagetool

_imagetool_names() {
  local -a root names
  (( $+opt_args[--root] )) && root=(--root $opt_args[--root])
  names=(${${(f)"$(imagetool $root $@ 2>/dev/null)"}:#*'<none>'*})
  compadd -a names
}

_imagetool_images() { _imagetool_names images --format '{{.Repository}}:{{.Tag}}' }
_imagetool_containers() { _imagetool_names ps -a --format '{{.Names}}' }
_imagetool_images_and_containers() { _imagetool_images; _imagetool_containers }

_imagetool() {
  local curcontext=$curcontext state line
  typeset -A opt_args
)zsh";

constexpr std::string_view kEpilogue = R"zsh(      esac
      ;;
  esac
}

_imagetool "$@"
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
std::string value_action(const CLI::Option& option) {
  const std::vector<std::string> words = value_words(option);
  const ValueKind kind = kind_of(value_name(option));
  std::string action = " ";
  if (!words.empty()) {
    action = fmt::format("({})", fmt::join(words, " "));
  } else if (kind.image) {
    action = kind.container ? "_imagetool_images_and_containers" : "_imagetool_images";
  } else if (kind.container) {
    action = "_imagetool_containers";
  } else if (kind.file || kind.directory) {
    action = kind.file ? "_files" : "_files -/";
  }
  return fmt::format(":{}:{}", plain(value_name(option)), action);
}

std::string flag_lines(const std::vector<const CLI::Option*>& flags, std::string_view indent) {
  std::string text;
  for (const CLI::Option* flag : flags) {
    const std::string tail = fmt::format("[{}]{}", plain(flag->get_description()),
                                         takes_value(*flag) ? value_action(*flag) : "");
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

std::string command_case(const CLI::App& command) {
  constexpr std::string_view kIndent = "            ";
  std::string text = fmt::format("        {})\n          _arguments \\\n", command.get_name());
  text += flag_lines(flags_of_all(command), kIndent);
  std::string below;
  for (const CLI::App* one : visible_commands(command))
    below += (below.empty() ? "" : " ") + one->get_name();
  if (!below.empty()) {
    text += fmt::format("{}{} \\\n", kIndent, shell_word(fmt::format("1:COMMAND:({})", below)));
  }
  for (const CLI::Option* positional : positionals_of(command)) {
    const bool many = positional->get_items_expected_max() > 1;
    text += fmt::format("{}{} \\\n", kIndent,
                        shell_word((many ? "*" : "") + value_action(*positional)));
  }
  return text + "            && return\n          ;;\n";
}

}  // namespace

std::string zsh_completion(const CLI::App& app) {
  std::string text(kPrologue);
  text += "  _arguments -C \\\n" + flag_lines(flags_of(app), "    ");
  text += "    '1: :->command' \\\n    '*:: :->arguments' && return\n";
  text += "  case $state in\n    command)\n      local -a commands\n      commands=(\n";
  for (const CLI::App* command : visible_commands(app)) {
    text += fmt::format("        {}\n",
                        shell_word(command->get_name() + ":" + plain(command->get_description())));
  }
  text += "      )\n      _describe command commands\n      ;;\n    arguments)\n";
  text += "      case $words[1] in\n";
  for (const CLI::App* command : visible_commands(app)) {
    text += command_case(*command);
  }
  return text + std::string(kEpilogue);
}

}  // namespace layerkit::cli
