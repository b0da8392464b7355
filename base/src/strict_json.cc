#include "layerkit/base/strict_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

using nlohmann::json;

/// A value takes some hundred bytes of memory, whatever it takes in the text. So a text of many
/// short ones may not have as many as its bytes allow.
constexpr std::size_t kBytesPerValue = 40;
constexpr std::size_t kFreeValues = 64;

/// What is shown of a key.
constexpr std::size_t kShownKey = 256;
/// What is shown of the library's reason, which has the text that it did not like.
constexpr std::size_t kShownReason = 1024;

/// Path of a member: "a.b"; keys that would read ambiguously are quoted.
std::string member_path(const std::string& parent, std::string_view key) {
  const bool is_cut = key.size() > kShownKey;
  key = key.substr(0, kShownKey);
  const bool plain = !key.empty() && std::ranges::all_of(key, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
  if (!plain || is_cut)
    return fmt::format("{}[\"{}{}\"]", parent, escaped(key), is_cut ? "..." : "");
  return parent.empty() ? std::string(key) : fmt::format("{}.{}", parent, key);
}

std::string item_path(const std::string& parent, std::size_t index) {
  return fmt::format("{}[{}]", parent, index);
}

/// "line 3, column 7" of a byte offset.
std::string position(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const auto line = std::ranges::count(before, '\n') + 1;
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  return fmt::format("line {}, column {}", line, before.size() - line_start + 1);
}

/// Builds the value and keeps the path to where it is, for errors.
class Builder final : public json::json_sax_t {
 public:
  Builder(std::string_view text, std::string_view document, std::size_t max_values)
      : text_(text), document_(document), max_values_(max_values) {}

  json take() { return std::move(root_); }

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put(value); }
  bool number_unsigned(number_unsigned_t value) override { return put(value); }
  bool number_float(number_float_t value, const string_t& /*text*/) override { return put(value); }
  bool string(string_t& value) override {
    refuse_nul(value);
    return put(std::move(value));
  }
  bool binary(binary_t& /*value*/) override { return false; }

  bool start_object(std::size_t /*size*/) override { return open(json::object()); }
  bool start_array(std::size_t /*size*/) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    refuse_nul(name);
    if (open_.back().value->contains(name)) {
      fail(Errc::Invalid, "parsing {}: duplicate key '{}'", document_,
           member_path(path_of_open(), name));
    }
    open_.back().key = std::move(name);
    return true;
  }

  bool parse_error(std::size_t offset,
                   const std::string& /*token*/,
                   const json::exception& problem) override {
    // The library counts from 1 and puts the offset of what it did not like last.
    fail(Errc::Invalid, "parsing {}: {}: {}", document_,
         position(text_, offset == 0 ? 0 : offset - 1), reason(problem.what()));
  }

 private:
  struct Open {
    json* value;
    std::string key;  ///< objects: where the next value goes, or the open one is
  };

  /// The library's message without its own prefix and position: "syntax error while …".
  static std::string reason(std::string_view what) {
    const std::size_t end_of_position = what.find(": ");
    if (end_of_position != std::string_view::npos) what.remove_prefix(end_of_position + 2);
    return escaped(what.substr(0, kShownReason));
  }

  void refuse_nul(const std::string& value) const {
    if (value.find('\0') == std::string::npos) return;
    fail(Errc::Invalid, "parsing {}: a NUL character in '{}'", document_, next_path());
  }

  /// Path of the innermost open value. Made for errors alone: a path may be as long as the text.
  std::string path_of_open() const {
    std::string path;
    for (std::size_t i = 0; i + 1 < open_.size(); ++i) {
      const Open& outer = open_[i];
      path = outer.value->is_array() ? item_path(path, outer.value->size() - 1)
                                     : member_path(path, outer.key);
    }
    return path;
  }

  /// Path of the value that comes next.
  std::string next_path() const {
    if (open_.empty()) return {};
    const Open& top = open_.back();
    return top.value->is_array() ? item_path(path_of_open(), top.value->size())
                                 : member_path(path_of_open(), top.key);
  }

  /// Puts a value where it belongs. The pointers in `open_` stay valid: a container grows only
  /// when none of its elements is open.
  json& place(json value) {
    if (++values_ > max_values_) {
      fail(Errc::Limit, "parsing {}: it has more than {} values", document_, max_values_);
    }
    if (open_.empty()) return root_ = std::move(value);
    Open& top = open_.back();
    if (top.value->is_object()) return (*top.value)[top.key] = std::move(value);
    top.value->push_back(std::move(value));
    return top.value->back();
  }

  bool put(json value) {
    place(std::move(value));
    return true;
  }

  bool open(json value) {
    if (open_.size() == kMaxJsonDepth) {
      fail(Errc::Limit, "parsing {}: '{}' is nested deeper than {} levels", document_, next_path(),
           kMaxJsonDepth);
    }
    json& placed = place(std::move(value));
    open_.push_back({&placed, {}});
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  std::string_view text_;
  std::string_view document_;
  std::size_t max_values_;
  std::size_t values_ = 0;
  json root_;
  std::vector<Open> open_;
};

}  // namespace

json parse_json(std::string_view text, std::string_view document, std::size_t max_bytes) {
  if (text.size() > max_bytes) {
    fail(Errc::Limit, "parsing {}: it has {} bytes, at most {} are allowed", document, text.size(),
         max_bytes);
  }
  // The library takes NUL for the end of the text and skips a byte order mark.
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    fail(Errc::Invalid, "parsing {}: {}: a NUL byte", document, position(text, nul));
  }
  if (text.starts_with("\xEF\xBB\xBF")) {
    fail(Errc::Invalid, "parsing {}: line 1, column 1: a byte order mark", document);
  }
  Builder builder(text, document, kFreeValues + max_bytes / kBytesPerValue);
  if (!json::sax_parse(text, &builder)) fail(Errc::Invalid, "parsing {}: not JSON", document);
  return builder.take();
}

std::string dump_json(const json& value, std::string_view document) {
  try {
    return value.dump();
  } catch (const json::exception&) {  // its only reason here
    fail(Errc::Invalid, "writing {}: a string in it is not valid UTF-8", document);
  }
}

bool JsonView::is_null() const noexcept {
  return value_->is_null();
}
bool JsonView::is_string() const noexcept {
  return value_->is_string();
}
bool JsonView::is_array() const noexcept {
  return value_->is_array();
}
bool JsonView::is_object() const noexcept {
  return value_->is_object();
}

std::string JsonView::path() const {
  if (parent_ == nullptr) return {};
  std::string above = parent_->path();
  return key_ == nullptr ? item_path(above, index_) : member_path(above, *key_);
}

void JsonView::refuse(std::string_view problem) const {
  const std::string where = path();
  if (where.empty()) fail(Errc::Invalid, "reading {}: it {}", document_, problem);
  fail(Errc::Invalid, "reading {}: '{}' {}", document_, where, problem);
}

void JsonView::require(bool holds, std::string_view problem) const {
  if (!holds) refuse(problem);
}

const std::string& JsonView::string() const {
  require(value_->is_string(), "is not a string");
  return value_->get_ref<const std::string&>();
}

bool JsonView::boolean() const {
  require(value_->is_boolean(), "is not true or false");
  return value_->get<bool>();
}

std::uint64_t JsonView::unsigned_number() const {
  const std::int64_t value = number();
  require(value >= 0, "is negative");
  return static_cast<std::uint64_t>(value);
}

std::int64_t JsonView::number() const {
  require(value_->is_number_integer(), "is not a whole number");
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  require(!value_->is_number_unsigned() || value_->get<std::uint64_t>() <= kMax, "is too large");
  return value_->get<std::int64_t>();
}

std::uint64_t JsonView::wide_number() const {
  if (value_->is_number_unsigned()) return value_->get<std::uint64_t>();
  return unsigned_number();
}

std::vector<JsonView> JsonView::items() const {
  require(value_->is_array(), "is not an array");
  const auto self = std::make_shared<const JsonView>(*this);
  std::vector<JsonView> views;
  views.reserve(value_->size());
  for (const json& item : *value_)
    views.push_back(JsonView(item, self, nullptr, views.size()));
  return views;
}

std::vector<std::string> JsonView::strings() const {
  std::vector<std::string> texts;
  for (const JsonView& item : items()) {
    texts.push_back(item.string());
  }
  return texts;
}

std::vector<std::pair<std::string, JsonView>> JsonView::members() const {
  require(value_->is_object(), "is not an object");
  const auto self = std::make_shared<const JsonView>(*this);
  std::vector<std::pair<std::string, JsonView>> views;
  for (auto member = value_->begin(); member != value_->end(); ++member)
    views.emplace_back(member.key(), JsonView(*member, self, &member.key(), 0));
  return views;
}

std::optional<JsonView> JsonView::find(std::string_view key) const {
  require(value_->is_object(), "is not an object");
  const auto found = value_->find(std::string(key));
  if (found == value_->end() || found->is_null()) return std::nullopt;
  return JsonView(*found, std::make_shared<const JsonView>(*this), &found.key(), 0);
}

JsonView JsonView::at(std::string_view key) const {
  std::optional<JsonView> found = find(key);
  if (!found)
    fail(Errc::Invalid, "reading {}: '{}' is missing", document_, member_path(path(), key));
  return *std::move(found);
}

std::string JsonView::string_or(std::string_view key, std::string_view fallback) const {
  const std::optional<JsonView> found = find(key);
  return found ? found->string() : std::string(fallback);
}

}  // namespace layerkit
