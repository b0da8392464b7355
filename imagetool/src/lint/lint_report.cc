#include "lint/lint_report.h"

#include <fmt/format.h>

namespace layerkit::lint {

void Report::add(const LintRule& rule, std::string path, std::string message) {
  if (!options_.wants(rule) || ++counts_[&rule] > options_.most_alike) return;
  tell_({&rule, layer_, std::move(path), std::move(message)});
}

void Report::end() {
  for (const auto& [rule, count] : counts_) {
    if (count <= options_.most_alike) continue;
    tell_({rule, layer_, {}, fmt::format("and {} more like this", count - options_.most_alike)});
  }
  counts_.clear();
}

}  // namespace layerkit::lint
