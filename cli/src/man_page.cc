#include "cli/man_page.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/help.h"
#include "layerkit/base/text.h"

namespace layerkit::cli {
namespace {

/// Text as roff input: escapes, hyphens that are typed, no line that looks like a request.
std::string roff(std::string_view text) {
  std::string out;
  bool line_start = true;
  for (const char c : text) {
    if (line_start && (c == '.' || c == '\'')) out += "\\&";
    line_start = c == '\n';
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out;
}

std::string upper(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return text;
}

std::string option_entry(const CLI::Option& option) {
  std::string names;
  const auto add = [&](const std::string& name) {
    names += fmt::format("{}\\fB{}\\fR", names.empty() ? "" : ", ", roff(name));
  };
  for (const std::string& name : option.get_snames()) {
    add("-" + name);
  }
  for (const std::string& name : option.get_lnames()) {
    add("--" + name);
  }
  if (takes_value(option)) names += fmt::format(" \\fI{}\\fR", roff(value_name(option)));
  return fmt::format(".TP\n{}\n{}\n", names, roff(description(option)));
}

std::string options_text(const CLI::App& command) {
  std::string text;
  for (const CLI::Option* option : flags_of(command)) {
    text += option_entry(*option);
  }
  return text;
}

/// Preformatted lines.
std::string example(std::string_view text) {
  return fmt::format(".PP\n.nf\n{}\n.fi\n", roff(text));
}

std::string command_text(const CLI::App& app, const CLI::App& command) {
  // "system df": without the program's name.
  const std::string name = full_command(command).substr(full_command(app).size() + 1);
  std::string text = fmt::format(".SS {}\n{}.\n.PP\n\\fB{}\\fR\n", roff(name),
                                 roff(command.get_description()), roff(usage_line(command)));
  for (const CLI::Option* option : flags_of(command)) {
    if (option != command.get_help_ptr()) text += option_entry(*option);
  }
  if (!command.get_footer().empty()) text += example(command.get_footer());
  return text;
}

std::string common_exit_codes() {
  return R"(.SH EXIT STATUS
.TP
.B 0
Success.
.TP
.B 1
The command failed; one line on standard error says why.
.TP
.B 2
The command line could not be understood.
)";
}

}  // namespace

std::string man_page(const CLI::App& app, const ManPagePlan& plan) {
  const std::string& name = app.get_name();
  std::string text = fmt::format(".TH {} {} \"\" \"layerkit {}\" \"{}\"\n", upper(name),
                                 plan.section, LAYERKIT_VERSION, plan.manual);
  text += fmt::format(".SH NAME\n{} \\- {}\n", name, roff(app.get_description()));
  text += fmt::format(
      ".SH SYNOPSIS\n.B {}\n[\\fIOPTIONS\\fR] \\fICOMMAND\\fR [\\fIARGUMENTS\\fR]\n", name);
  text += fmt::format("{}.SH DESCRIPTION\n.B {}\n{}", plan.more_synopsis, name, plan.description);
  text += ".SH OPTIONS\nThese stand before the command.\n" + options_text(app);
  text += ".SH COMMANDS\n";
  for (const CLI::App* command : visible_commands(app)) {
    for (const CLI::App* one : command_and_below(*command))
      text += command_text(app, *one);
  }
  return text + plan.before_exit_status + common_exit_codes() + plan.after_exit_status;
}

}  // namespace layerkit::cli
