#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "layerkit/base/context.h"
#include "layerkit/imagetool/image_source.h"

namespace layerkit {

enum class LintSeverity {
  Info,     ///< worth knowing
  Warning,  ///< tools differ about it, or it is not what somebody meant
  Error,    ///< the OCI image spec forbids it, or widely used tools refuse it or get it wrong
};
/// "info", "warning", "error".
std::string_view severity_text(LintSeverity severity) noexcept;

struct LintRule {
  std::string_view name;  ///< stable: "duplicate-entry"
  LintSeverity severity;
  std::string_view about;  ///< one sentence
};
/// All of them, sorted by name.
std::span<const LintRule> lint_rules() noexcept;
/// nullptr when there is none of this name.
const LintRule* find_lint_rule(std::string_view name) noexcept;

struct LintFinding {
  const LintRule* rule = nullptr;
  std::optional<std::size_t> layer;  ///< from 0; unset: it is about the image
  std::string path;                  ///< absolute; empty: it is about no path
  std::string message;               ///< one sentence, names quoted
};

struct LintOptions {
  std::function<bool(const LintRule& rule)> wants = [](const LintRule&) { return true; };
  /// Findings of one rule in one layer that are told one by one; the others are counted in one
  /// more.
  std::uint64_t most_alike = 100;
};

/// Looks for what layers and history should not have, layer by layer, base first. A layer that
/// cannot be applied is a finding, and the last one; one that does not have its diff ID is
/// Error{Integrity}. Memory: as for walks through the layers' trees, and nothing that grows with
/// the number of findings; entries are sorted in nameless files.
void lint_image(ImageSource& source,
                const LintOptions& options,
                const std::function<void(const LintFinding& finding)>& report,
                const Context& context);

}  // namespace layerkit
