#include <fmt/format.h>

#include "cli/completion.h"
#include "cli/help.h"

namespace layerkit::cli {
namespace {

/// Finds the word to complete, the one before it and the subcommand. Words are taken from the line
/// itself, because bash breaks them at the colon of an image name.
constexpr std::string_view kPrologue = R"bash(# bash completion for imagetool

_imagetool_ask() {
  "${program[@]}" "$@" 2>/dev/null | grep -v '<none>'
}

_imagetool() {
  local line=${COMP_LINE:0:COMP_POINT}
  local -a typed
  read -ra typed <<<"$line"
  local cur="" previous="" command="" flags="" words="" kinds=""
  local -a program=("${typed[0]}")
  if [[ $line != *[[:space:]] ]]; then
    cur=${typed[-1]}
    unset 'typed[-1]'
  fi
  local i
  for ((i = 1; i < ${#typed[@]}; i++)); do
    case ${typed[i]} in
      --root) program+=(--root "${typed[++i]}") ;;
      --root=*) program+=("${typed[i]}") ;;
      --driver) ((i++)) ;;
      -*) ;;
      *)
        command=${typed[i]}
        break
        ;;
    esac
  done
  ((${#typed[@]} > 1)) && previous=${typed[-1]}

)bash";

constexpr std::string_view kEpilogue = R"bash(
  if [[ $cur == -* ]]; then
    words=$flags
    kinds=""
  fi
  [[ $kinds == *image* ]] && words+=" $(_imagetool_ask images --format '{{.Repository}}:{{.Tag}}')"
  [[ $kinds == *container* ]] && words+=" $(_imagetool_ask ps -a --format '{{.Names}}')"
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
  [[ $kinds == *file* ]] && mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "$cur")
  [[ $kinds == *directory* ]] && mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -d -- "$cur")
  # Bash replaces only what follows the last colon.
  if [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then
    COMPREPLY=("${COMPREPLY[@]#"${cur%"${cur##*:}"}"}")
  fi
}

complete -F _imagetool imagetool
)bash";

std::string kind_words(std::string_view value) {
  const ValueKind kind = kind_of(value);
  std::string words;
  if (kind.image) words += "image ";
  if (kind.container) words += "container ";
  if (kind.file) words += "file ";
  if (kind.directory) words += "directory ";
  return words;
}

std::string flag_words(const std::vector<const CLI::Option*>& flags) {
  std::string words;
  for (const CLI::Option* flag : flags) {
    for (const std::string& name : flag->get_lnames()) {
      words += "--" + name + " ";
    }
    for (const std::string& name : flag->get_snames()) {
      words += "-" + name + " ";
    }
  }
  return words;
}

/// "-f|--format": a pattern for the word before the value.
std::string flag_pattern(const CLI::Option& flag) {
  std::string pattern;
  for (const std::string& name : flag.get_snames()) {
    pattern += (pattern.empty() ? "-" : "|-") + name;
  }
  for (const std::string& name : flag.get_lnames()) {
    pattern += (pattern.empty() ? "--" : "|--") + name;
  }
  return pattern;
}

/// One branch of the case over subcommands; `words` are offered besides what positionals take.
std::string command_case(const CLI::App& command,
                         std::string_view pattern,
                         std::string_view words) {
  std::string kinds;
  for (const CLI::Option* positional : positionals_of(command)) {
    kinds += kind_words(value_name(*positional));
  }
  // Which of the commands below was typed is not looked at. The program's own come with it.
  const bool is_top = command.get_parent() == nullptr;
  const auto flags = is_top ? flags_of(command) : flags_of_all(command);
  std::string choices(words);
  if (!is_top) {
    for (const CLI::App* below : visible_commands(command))
      choices += below->get_name() + " ";
  }
  std::string text =
      fmt::format("    {})\n      flags={}\n", pattern, shell_word(flag_words(flags)));
  for (const CLI::Option* positional : positionals_of(command)) {
    choices += fmt::format("{} ", fmt::join(value_words(*positional), " "));
  }
  text += fmt::format("      words={} kinds={}\n      case $previous in\n", shell_word(choices),
                      shell_word(kinds));
  for (const CLI::Option* flag : flags) {
    if (!takes_value(*flag)) continue;
    text += fmt::format("        {}) words={} kinds={} ;;\n", flag_pattern(*flag),
                        shell_word(fmt::format("{}", fmt::join(value_words(*flag), " "))),
                        shell_word(kind_words(value_name(*flag))));
  }
  return text + "      esac\n      ;;\n";
}

}  // namespace

std::string bash_completion(const CLI::App& app) {
  std::string commands;
  std::string cases;
  for (const CLI::App* command : visible_commands(app)) {
    commands += command->get_name() + " ";
    cases += command_case(*command, command->get_name(), "");
  }
  return fmt::format("{}  case $command in\n{}{}  esac\n{}", kPrologue,
                     command_case(app, "\"\"", commands), cases, kEpilogue);
}

}  // namespace layerkit::cli
