#include "archive/layout_index.h"

#include <algorithm>
#include <string>
#include <utility>

#include "archive/archive_documents.h"
#include "layerkit/base/strict_json.h"

namespace layerkit {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kDocument[] = "index.json";

/// Empty when there is no such text.
std::string text_at(const Json& object, std::string_view key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string annotation(const Json& entry, std::string_view key) {
  const auto annotations = entry.find("annotations");
  return annotations != entry.end() && annotations->is_object() ? text_at(*annotations, key) : "";
}

bool is_named(const Json& entry) {
  return !annotation(entry, kImageNameKey).empty() || !annotation(entry, kRefNameKey).empty();
}

bool replaces(const Json& entry, const Json& old) {
  const std::string full = annotation(entry, kImageNameKey);
  const std::string old_full = annotation(old, kImageNameKey);
  if (!full.empty() && !old_full.empty()) return full == old_full;
  const std::string reference = annotation(entry, kRefNameKey);
  const std::string old_reference = annotation(old, kRefNameKey);
  if (!reference.empty() && !old_reference.empty()) return reference == old_reference;
  return !is_named(old) && text_at(entry, "digest") == text_at(old, "digest");
}

/// Entries of the layout that is added to, without those that are replaced.
Json entries_left(Json& old, const Json& entries) {
  Json left = Json::array();
  const auto list = old.find("manifests");
  if (list == old.end() || !list->is_array()) return left;
  for (Json& entry : *list) {
    const auto is_replaced = [&](const Json& other) { return replaces(other, entry); };
    if (std::ranges::none_of(entries, is_replaced)) left.push_back(std::move(entry));
  }
  return left;
}

}  // namespace

void write_layout_index(ArchiveOutput& output, const Json& entries) {
  Json index = {{"schemaVersion", 2}, {"mediaType", kOciIndexType}};
  Json all = Json::array();
  if (const auto old = output.old_index()) {
    static_cast<void>(parse_index(*old, kDocument, {}));  // it is one
    index = parse_json(*old, kDocument, kMaxJsonBytes);
    all = entries_left(index, entries);
  }
  for (const Json& entry : entries) {
    const auto is_same = [&](const Json& other) {
      return text_at(other, "digest") == text_at(entry, "digest");
    };
    if (is_named(entry) || std::ranges::none_of(all, is_same)) all.push_back(entry);
  }
  index["manifests"] = std::move(all);
  add_text(output, kDocument, index.dump());
}

}  // namespace layerkit
