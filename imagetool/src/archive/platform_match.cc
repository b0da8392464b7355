#include "archive/platform_match.h"

#include <string>

#include "layerkit/base/text.h"

namespace layerkit {
namespace {

constexpr int kUnspecified = 1000;

std::string usual_variant(const Platform& platform) {
  if (!platform.variant.empty()) return platform.variant;
  if (platform.architecture == "arm") return "v7";
  if (platform.architecture == "arm64") return "v8";
  if (platform.architecture == "amd64") return "v1";
  return "";
}

/// 7 for "v7"; nullopt for variants that are not ordered.
std::optional<int> level(const std::string& variant) {
  if (!variant.starts_with('v')) return std::nullopt;
  const auto number = parse_decimal(std::string_view(variant).substr(1));
  if (!number || *number >= kUnspecified) return std::nullopt;
  return static_cast<int>(*number);
}

}  // namespace

std::optional<int> platform_distance(const Platform& wanted, const Platform& offered) {
  if (offered.architecture.empty()) return kUnspecified;
  if (wanted.os != offered.os || wanted.architecture != offered.architecture) return std::nullopt;
  const std::string wanted_variant = usual_variant(wanted);
  const std::string offered_variant = usual_variant(offered);
  if (wanted_variant == offered_variant) return 0;
  const auto wanted_level = level(wanted_variant);
  const auto offered_level = level(offered_variant);
  if (!wanted_level || !offered_level || *offered_level > *wanted_level) return std::nullopt;
  return *wanted_level - *offered_level;
}

bool is_unknown_platform(const Platform& platform) noexcept {
  return platform.os == "unknown" && platform.architecture == "unknown";
}

}  // namespace layerkit
