#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/union_json.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/unionmount/branch_check.h"

namespace layerkit::cli {
namespace {

using nlohmann::ordered_json;

struct CheckArguments {
  bool repair = false;
  std::string format = "text";
  std::vector<std::string> branches;
};

ordered_json json_of(const std::vector<BranchFinding>& findings) {
  ordered_json list = ordered_json::array();
  for (const BranchFinding& finding : findings) {
    list.push_back({{"kind", finding.kind},
                    {"path", finding.path},
                    {"detail", finding.detail},
                    {"mend", finding.can_mend ? "repair" : "none"}});
  }
  return list;
}

void print_json(const std::string& branch, const BranchCheckReport& report, bool is_repair) {
  ordered_json line = {
      {"branch", branch}, {"complete", report.is_complete}, {"findings", json_of(report.findings)}};
  if (is_repair) line["mended"] = json_of(report.mended);
  print_line(dump_json(line));
}

void print_finding(const char* label, const std::string& branch, const BranchFinding& finding) {
  print_line(fmt::format("{}: {}/{}: {} [{}]", label, escaped(branch), escaped(finding.path),
                         finding.detail, finding.kind));
}

void print_text(const std::string& branch, const BranchCheckReport& report, bool is_repair) {
  for (const BranchFinding& finding : report.mended)
    print_finding("mended", branch, finding);
  for (const BranchFinding& finding : report.findings)
    print_finding(finding.can_mend ? "to mend" : "damage", branch, finding);
  const std::size_t count = report.findings.size();
  if (count == 0) {
    print_line(
        fmt::format("{}: no findings{}", escaped(branch), report.mended.empty() ? "" : " left"));
  } else {
    print_line(fmt::format("{}: {} {}{}", escaped(branch), count,
                           count == 1 ? "finding" : "findings", is_repair ? " left" : ""));
  }
}

void check_one(Session& session, const std::string& branch, const CheckArguments& arguments) {
  const Fd directory = open_at(AT_FDCWD, branch, O_PATH | O_DIRECTORY);
  const auto mode = arguments.repair ? BranchCheckMode::Repair : BranchCheckMode::Look;
  const BranchCheckReport report =
      with_context([&] { return "checking " + quoted(branch); },
                   [&] { return check_branch(directory, mode, session.context); });
  if (arguments.format == "json") {
    print_json(branch, report, arguments.repair);
  } else {
    print_text(branch, report, arguments.repair);
  }
  if (!report.is_complete) {
    session.context.warn(quoted(branch) +
                         " is in use: what unions keep there for themselves was not looked at");
  }
  if (!report.findings.empty()) session.exit_code = 1;
}

}  // namespace

void add_check(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("check", "Look for what killed unions left in branches of AUFS's format")
          ->group(kBranches);
  command->footer("The branches need not be part of a mounted union.");
  auto arguments = std::make_shared<CheckArguments>();
  command->add_flag("--repair", arguments->repair, "Remove what is safe to remove");
  command->add_option("--format", arguments->format, "How: 'json' is one object a branch")
      ->type_name("text|json")
      ->default_str("text")
      ->check(CLI::IsMember({"text", "json"}));
  command->add_option("branch", arguments->branches, "Directories")->type_name("DIR")->required();
  command->callback([&session, arguments] {
    for (const std::string& branch : arguments->branches)
      session.attempt([&] { check_one(session, branch, *arguments); });
  });
}

}  // namespace layerkit::cli
