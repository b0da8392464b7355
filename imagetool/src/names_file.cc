#include "names_file.h"

#include <nlohmann/json.hpp>

#include "layerkit/base/error.h"
#include "layerkit/base/strict_json.h"

namespace layerkit {
namespace {

using nlohmann::json;

constexpr std::string_view kDocument = "names.json";
constexpr int kVersion = 1;
constexpr std::size_t kMaxBytes = std::size_t{64} << 20;

NameTarget parse_target(const JsonView& view) {
  return with_context(
      [&] { return "reading names.json: '" + view.path() + "'"; },
      [&] {
        return NameTarget{ImageId::parse(view.at("image").string()), view.at("tagged").string()};
      });
}

}  // namespace

Names parse_names(std::string_view text) {
  const json document = parse_json(text, kDocument, kMaxBytes);
  const JsonView root(document, std::string(kDocument));
  if (root.at("version").number() != kVersion) {
    fail(Errc::Unsupported, "reading names.json: version {} is not known to this program",
         root.at("version").number());
  }
  Names names;
  for (const auto& [name, target] : root.at("names").members()) {
    names.emplace(ImageName::parse(name), parse_target(target));
  }
  return names;
}

std::string format_names(const Names& names) {
  json members = json::object();
  for (const auto& [name, target] : names) {
    members[name.full()] = {{"image", target.image.str()}, {"tagged", target.tagged}};
  }
  return json{{"version", kVersion}, {"names", std::move(members)}}.dump(1) + "\n";
}

}  // namespace layerkit
