#include <fmt/format.h>

#include "cli/completion.h"
#include "cli/help.h"

namespace layerkit::cli {
namespace {

/// Finds the word to complete, the one before it and the subcommand. Words are taken from the line
/// itself, because bash breaks them at the colon of an image name.
constexpr std::string_view kPrologue = R"bash(# bash completion for @PROGRAM@

_@PROGRAM@_ask() {
  "${program[@]}" "$@" 2>/dev/null | grep -v '<none>'
}

_@PROGRAM@() {
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
)bash";

constexpr std::string_view kCommandFound = R"bash(      -*) ;;
      *)
        command=${typed[i]}
        break
        ;;
    esac
  done
  ((${#typed[@]} > 1)) && previous=${typed[-1]}

)bash";

constexpr std::string_view kFlagsOnly = R"bash(
  if [[ $cur == -* ]]; then
    words=$flags
    kinds=""
  fi
)bash";

constexpr std::string_view kEpilogue =
    R"bash(  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
  [[ $kinds == *file* ]] && mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "$cur")
  [[ $kinds == *directory* ]] && mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -d -- "$cur")
  # Bash replaces only what follows the last colon.
  if [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then
    COMPREPLY=("${COMPREPLY[@]#"${cur%"${cur##*:}"}"}")
  fi
}

complete -F _@PROGRAM@ @PROGRAM@
)bash";

std::string kind_words(std::string_view value, const CompletionPlan& plan) {
  const ValueKind kind = kind_of(value, plan);
  std::string words;
  for (const NameListing& listing : kind.names)
    words += listing.kind + " ";
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
                         std::string_view words,
                         const CompletionPlan& plan) {
  std::string kinds;
  for (const CLI::Option* positional : positionals_of(command)) {
    kinds += kind_words(value_name(*positional), plan);
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
                        shell_word(kind_words(value_name(*flag), plan)));
  }
  return text + "      esac\n      ;;\n";
}

/// How the program's own options are stepped over on the way to the command.
std::string option_cases(const CLI::App& app, const CompletionPlan& plan) {
  std::string text;
  for (const CLI::Option* flag : flags_of(app)) {
    if (!takes_value(*flag)) continue;
    const std::string pattern = flag_pattern(*flag);
    if (!plan.passed_option.empty() && flag->check_name(plan.passed_option)) {
      text += fmt::format("      {0}) program+=({0} \"${{typed[++i]}}\") ;;\n", plan.passed_option);
      text += fmt::format("      {}=*) program+=(\"${{typed[i]}}\") ;;\n", plan.passed_option);
    } else {
      text += fmt::format("      {}) ((i++)) ;;\n", pattern);
    }
  }
  return text;
}

std::string asking_lines(const CompletionPlan& plan) {
  std::string text;
  for (const NameListing& listing : plan.names) {
    text += fmt::format("  [[ $kinds == *{}* ]] && words+=\" $(_@PROGRAM@_ask {})\"\n",
                        listing.kind, listing.command);
  }
  return text;
}

}  // namespace

std::string bash_completion(const CLI::App& app, const CompletionPlan& plan) {
  std::string commands;
  std::string cases;
  for (const CLI::App* command : visible_commands(app)) {
    commands += command->get_name() + " ";
    cases += command_case(*command, command->get_name(), "", plan);
  }
  const std::string script =
      fmt::format("{}{}{}  case $command in\n{}{}  esac\n{}{}{}", kPrologue,
                  option_cases(app, plan), kCommandFound, command_case(app, "\"\"", commands, plan),
                  cases, kFlagsOnly, asking_lines(plan), kEpilogue);
  return with_program(script, app.get_name());
}

}  // namespace layerkit::cli
