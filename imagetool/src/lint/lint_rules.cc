#include "lint/lint_rules.h"

#include <algorithm>

namespace layerkit {

std::string_view severity_text(LintSeverity severity) noexcept {
  switch (severity) {
    case LintSeverity::Info:
      return "info";
    case LintSeverity::Warning:
      return "warning";
    case LintSeverity::Error:
      break;
  }
  return "error";
}

std::span<const LintRule> lint_rules() noexcept {
  return lint::kRules;
}

const LintRule* find_lint_rule(std::string_view name) noexcept {
  const auto found = std::ranges::find(lint::kRules, name, &LintRule::name);
  return found == lint::kRules.end() ? nullptr : &*found;
}

}  // namespace layerkit
