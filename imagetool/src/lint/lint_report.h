#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "layerkit/imagetool/image_lint.h"

namespace layerkit::lint {

/// Tells findings of one layer, or of the image, as long as they are not too many of a kind.
class Report {
 public:
  using OnFinding = std::function<void(const LintFinding& finding)>;

  Report(const LintOptions& options, const OnFinding& tell) : options_(options), tell_(tell) {}

  /// The following findings are of this layer; nullopt: of the image.
  void begin(std::optional<std::size_t> layer) {
    end();
    layer_ = layer;
  }
  void add(const LintRule& rule, std::string path, std::string message);
  /// Tells how many were not told.
  void end();

 private:
  const LintOptions& options_;
  const OnFinding& tell_;
  std::optional<std::size_t> layer_;
  std::map<const LintRule*, std::uint64_t> counts_;
};

}  // namespace layerkit::lint
