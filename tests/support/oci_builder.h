#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "archive_builder.h"

namespace layerkit::testing {

// The documents of an OCI image layout, as text.

inline constexpr std::string_view kIndexType = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view kManifestType = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kConfigType = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view kLayerType = "application/vnd.oci.image.layer.v1.tar";
inline constexpr std::string_view kLayout = R"({"imageLayoutVersion":"1.0.0"})";

inline std::string descriptor(std::string_view type,
                              std::string_view bytes,
                              std::string_view more = "") {
  return fmt::format(R"({{"mediaType":"{}","digest":"{}","size":{}{}}})", type, sha256(bytes),
                     bytes.size(), more);
}

inline std::string manifest_of(const std::string& config, const std::string& layers) {
  return fmt::format(R"({{"schemaVersion":2,"config":{},"layers":[{}]}})",
                     descriptor(kConfigType, config), layers);
}

inline std::string index_of(const std::vector<std::string>& entries) {
  return fmt::format(R"({{"schemaVersion":2,"manifests":[{}]}})", fmt::join(entries, ","));
}

inline std::string platform(std::string_view architecture, std::string_view variant = "") {
  return fmt::format(R"(,"platform":{{"os":"linux","architecture":"{}","variant":"{}"}})",
                     architecture, variant);
}

inline std::string annotation(std::string_view key, std::string_view value) {
  return fmt::format(R"(,"annotations":{{"{}":"{}"}})", key, value);
}

}  // namespace layerkit::testing
