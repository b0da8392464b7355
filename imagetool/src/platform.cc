#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/image.h"

namespace layerkit {
namespace {

/// Names that uname(2) and people use, in the words of the OCI image spec (GOARCH and variant).
/// As containerd/platforms normalizes them: arm is v7, arm64 is v8, and v8 is not written.
void normalize(Platform& platform) {
  struct Alias {
    std::string_view name;
    std::string_view architecture;
    std::string_view variant;
  };
  static constexpr Alias kAliases[] = {
      {"aarch64", "arm64", ""},
      {"armel", "arm", "v6"},
      {"armhf", "arm", "v7"},
      {"armv6l", "arm", "v6"},
      {"armv7l", "arm", "v7"},
      {"armv8l", "arm", "v8"},
      {"i386", "386", ""},
      {"i486", "386", ""},
      {"i586", "386", ""},
      {"i686", "386", ""},
      {"loongarch64", "loong64", ""},
      {"x86-64", "amd64", ""},
      {"x86_64", "amd64", ""},
  };
  const auto* const alias = std::ranges::find(kAliases, platform.architecture, &Alias::name);
  if (alias != std::end(kAliases)) {
    platform.architecture = alias->architecture;
    if (platform.variant.empty()) platform.variant = alias->variant;
  }
  if (!platform.variant.empty() && platform.variant.front() >= '0' &&
      platform.variant.front() <= '9') {
    platform.variant.insert(0, "v");
  }
  if (platform.architecture == "arm" && platform.variant.empty()) platform.variant = "v7";
  if (platform.architecture == "arm64" && platform.variant == "v8") platform.variant.clear();
  if (platform.architecture == "amd64" && platform.variant == "v1") platform.variant.clear();
}

bool valid_part(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

}  // namespace

Platform Platform::parse(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  const std::vector<std::string_view> parts = split(lower, '/');
  if (parts.size() < 2 || parts.size() > 3 || !std::ranges::all_of(parts, valid_part)) {
    fail(Errc::Invalid, "reading platform {}: it is not OS/ARCHITECTURE[/VARIANT]", quoted(text));
  }
  Platform platform{std::string(parts[0]), std::string(parts[1]), {}};
  if (parts.size() == 3) platform.variant = parts[2];
  normalize(platform);
  return platform;
}

Platform Platform::host() {
  utsname names{};
  if (::uname(&names) != 0) fail_errno(errno, "reading the name of this machine");
  Platform platform{"linux", names.machine, {}};
  normalize(platform);
  return platform;
}

std::string Platform::str() const {
  std::string text = os + "/" + architecture;
  if (!variant.empty()) text += "/" + variant;
  return text;
}

}  // namespace layerkit
