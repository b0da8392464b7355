#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/progress_line.h"
#include "layerkit/imagetool/image_check.h"

namespace layerkit::cli {
namespace {

using nlohmann::ordered_json;

struct CheckOptions {
  bool deep = false;
  bool repair = false;
  std::string from;
  std::string format = "text";
};

std::string severity_name(Severity severity) {
  return severity == Severity::Damage ? "damage" : "leftover";
}

std::string mend_name(Mend mend) {
  switch (mend) {
    case Mend::Repair:
      return "repair";
    case Mend::Archive:
      return "archive";
    case Mend::None:
      break;
  }
  return "none";
}

/// docs/formats/check.md.
ordered_json json_of(const std::vector<Finding>& findings) {
  ordered_json list = ordered_json::array();
  for (const Finding& finding : findings) {
    ordered_json item = {{"kind", finding.kind},
                         {"object", finding.object},
                         {"detail", finding.detail},
                         {"severity", severity_name(finding.severity)},
                         {"mend", mend_name(finding.mend)}};
    if (finding.layer) item["layer"] = finding.layer->str();
    list.push_back(std::move(item));
  }
  return list;
}

void print_json(const CheckReport& report, const CheckOptions& options) {
  ordered_json document = {{"version", 1},
                           {"deep", options.deep},
                           {"complete", report.is_complete},
                           {"findings", json_of(report.findings)}};
  if (options.repair) document["mended"] = json_of(report.mended);
  print_line(document.dump(2, ' ', false, ordered_json::error_handler_t::replace));
}

void print_finding(const char* label, const Finding& finding) {
  print_line(fmt::format("{}: {}: {} [{}]", label, finding.object, finding.detail, finding.kind));
}

std::string count_of(std::size_t count) {
  return count == 1 ? "1 finding" : fmt::format("{} findings", count);
}

/// What could be done about the findings, in as many lines as there are answers.
void print_advice(const std::vector<Finding>& findings, const CheckOptions& options) {
  const auto count = [&](Mend mend) {
    return std::ranges::count_if(findings, [&](const Finding& f) { return f.mend == mend; });
  };
  if (count(Mend::Repair) > 0 && !options.repair) {
    print_line(fmt::format("{} to be mended by --repair", count(Mend::Repair)));
  }
  if (count(Mend::Archive) > 0) {
    print_line(fmt::format("{} to be mended by --repair --from an archive that has the object",
                           count(Mend::Archive)));
  }
}

void print_text(const CheckReport& report, const CheckOptions& options) {
  for (const Finding& finding : report.mended)
    print_finding("mended", finding);
  for (const Finding& finding : report.findings)
    print_finding(severity_name(finding.severity).c_str(), finding);
  if (report.findings.empty()) {
    print_line(report.mended.empty() ? "No findings." : "No findings left.");
    return;
  }
  print_line(count_of(report.findings.size()) + (options.repair ? " left" : ""));
  print_advice(report.findings, options);
}

CheckReport run_check(Session& session, const CheckOptions& options) {
  ProgressLine line;
  const Context context = line.attach(session.context);
  const CheckDepth depth = options.deep ? CheckDepth::Deep : CheckDepth::Quick;
  if (!options.repair) return check_store(session.root, depth, context);
  RepairOptions repair{depth, std::nullopt};
  if (!options.from.empty()) repair.archive = options.from;
  return repair_store(session.root, repair, context);
}

void check(Session& session, const CheckOptions& options) {
  if (!options.from.empty() && !options.repair) {
    fail(Errc::Invalid, "--from is only of use with --repair");
  }
  const CheckReport report = run_check(session, options);
  if (options.format == "json") {
    print_json(report, options);
  } else {
    print_text(report, options);
  }
  if (!report.is_complete) {
    session.context.warn(
        "other processes use the store for now: layers that nobody needs were not looked for");
  }
  if (!report.findings.empty()) session.exit_code = 1;
}

}  // namespace

void add_check(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("check", "Look for damage and leftovers in the store")->group(kSystem);
  auto options = std::make_shared<CheckOptions>();
  command->add_flag("--deep", options->deep, "Also compare every file and every digest");
  command->add_flag("--repair", options->repair, "Mend what can be mended, then check again");
  command
      ->add_option("--from", options->from,
                   "With --repair: take lost layers and configs from this archive or layout")
      ->type_name("FILE|DIR");
  command->add_option("--format", options->format, "Format of the report")
      ->type_name("text|json")
      ->check(CLI::IsMember({"text", "json"}));
  command->callback([&session, options] { check(session, *options); });
}

}  // namespace layerkit::cli
