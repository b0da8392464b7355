#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/image_argument.h"
#include "cli/image_facts.h"
#include "cli/image_target.h"
#include "cli/listing.h"
#include "cli/object_row.h"
#include "cli/output.h"
#include "cli/progress_line.h"
#include "cli/repeated_option.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/image_lint.h"

namespace layerkit::cli {
namespace {

using nlohmann::ordered_json;

struct Options {
  ImageArgument image;
  std::string format;
  std::vector<std::string> ignored;
  bool strict = false;
  bool rules = false;
};

void print_rules(const Options& options) {
  static const ListingStyle kStyle{{{"Rule", "RULE"}, {"Severity", "SEVERITY"}, {"About", "ABOUT"}},
                                   "{{.Rule}}\t{{.Severity}}\t{{.About}}",
                                   "Rule"};
  std::vector<ordered_json> rows;
  for (const LintRule& rule : lint_rules()) {
    rows.push_back(
        {{"Rule", rule.name}, {"Severity", severity_text(rule.severity)}, {"About", rule.about}});
  }
  print(render_listing(kStyle, {false, options.format}, rows));
}

ordered_json finding_row(const LintFinding& finding, const Image& image) {
  return {{"Severity", severity_text(finding.rule->severity)},
          {"Rule", finding.rule->name},
          {"Layer", finding.layer ? std::to_string(*finding.layer + 1) : ""},
          {"DiffID", finding.layer ? image.diff_ids()[*finding.layer].str() : ""},
          {"Path", name_text(finding.path)},
          {"Message", finding.message}};
}

void print_findings(const std::vector<ordered_json>& rows, const Options& options) {
  static const ListingStyle kStyle{{{"Severity", "SEVERITY"},
                                    {"Rule", "RULE"},
                                    {"Layer", "LAYER"},
                                    {"DiffID", "DIFF ID"},
                                    {"Path", "PATH"},
                                    {"Message", "MESSAGE"}},
                                   "{{.Severity}}\t{{.Rule}}\t{{.Layer}}\t{{.Message}}",
                                   "Rule"};
  const std::string listing = render_listing(kStyle, {false, options.format}, rows);
  if (rows.empty() && options.format.empty()) return print_line("No findings.");
  print(listing);
}

LintOptions lint_options(const Options& options) {
  std::vector<const LintRule*> ignored;
  for (const std::string& name : options.ignored) {
    const LintRule* rule = find_lint_rule(name);
    if (rule == nullptr) {
      fail(Errc::Invalid, "--ignore: there is no rule {}; --rules lists them", quoted(name));
    }
    ignored.push_back(rule);
  }
  LintOptions result;
  result.wants = [ignored](const LintRule& rule) {
    return std::ranges::find(ignored, &rule) == ignored.end();
  };
  return result;
}

void lint(Session& session, const Options& options) {
  if (options.rules) return print_rules(options);
  if (options.image.reference.empty()) throw CLI::RequiredError("image");
  const LintOptions chosen = lint_options(options);
  ProgressLine line;
  Context context = line.attach(session.context);
  // What reading a layer warns of are findings, too.
  context.warn = [](const std::string&) {};
  const auto source = open_image(session, options.image, context);
  const LintSeverity limit = options.strict ? LintSeverity::Warning : LintSeverity::Error;
  std::vector<ordered_json> rows;
  std::size_t failures = 0;
  lint_image(
      *source, chosen,
      [&](const LintFinding& finding) {
        rows.push_back(finding_row(finding, source->image()));
        if (finding.rule->severity >= limit) ++failures;
      },
      context);
  line.finish();
  print_findings(rows, options);
  if (failures == 0) return;
  fail(Errc::Invalid, "{}: {} {}", quoted(options.image.reference), failures,
       failures == 1 ? "finding counts as an error" : "findings count as errors");
}

}  // namespace

void add_lint(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("lint", "Look for what an image's layers should not have")
                          ->group(kContents);
  command->footer(
      std::string("Exits with 1 when there are errors, with --strict also for warnings. Of more "
                  "than 100 findings of one rule in a layer, the number is told.\n\n") +
      kImageArgumentHelp);
  auto options = std::make_shared<Options>();
  add_format_option(*command, options->format);
  add_repeated_option(*command, "--ignore", options->ignored,
                      "Pass over findings of this rule (may be repeated)")
      ->type_name("RULE");
  command->add_flag("--rules", options->rules, "List the rules, and look at nothing");
  command->add_flag("--strict", options->strict, "Exit with 1 for warnings, too");
  add_image_argument(*command, options->image);
  command->get_option("image")->required(false);
  command->callback([&session, options] { lint(session, *options); });
}

}  // namespace layerkit::cli
