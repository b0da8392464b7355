#include <algorithm>
#include <string>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/option_values.h"
#include "layerkit/runner/container_spec.h"

namespace layerkit {
namespace {

bool contains(const std::vector<std::string>& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

}  // namespace

std::string parse_capability(std::string_view text) {
  std::string name(text);
  for (char& c : name) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  if (name == "ALL") return name;
  if (name.rfind("CAP_", 0) != 0) name.insert(0, "CAP_");
  if (std::ranges::find(capability_names(), name) == capability_names().end()) {
    fail(Errc::Invalid, "unknown capability: {}", quoted(text));
  }
  return name;
}

std::vector<std::string> effective_capabilities(const std::vector<std::string>& defaults,
                                                const std::vector<std::string>& add,
                                                const std::vector<std::string>& drop) {
  std::vector<std::string> base;
  if (contains(add, "ALL")) {
    base = bounding_capabilities();
  } else if (!contains(drop, "ALL")) {
    base = defaults;
  }
  std::vector<std::string> result;
  for (const auto& name : base) {
    if (!contains(drop, name)) result.push_back(name);
  }
  for (const auto& name : add) {
    if (name != "ALL" && !contains(result, name)) result.push_back(name);
  }
  return result;
}

}  // namespace layerkit
