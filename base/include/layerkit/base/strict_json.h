#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace layerkit {

/// Deepest nesting of arrays and objects that is accepted.
inline constexpr std::size_t kMaxJsonDepth = 64;

/// Parses one JSON document of a source that is not trusted. Stricter than RFC 8259 asks, so that
/// no two readers can understand it differently: no duplicate keys, no NUL (not as \u0000 either),
/// valid UTF-8 only, no byte order mark, nothing after the value.
///
/// `document` is what errors call it: "parsing config: …". Throws Error{Limit} above `max_bytes`,
/// 64 values and one for each 40 of them, or kMaxJsonDepth; Error{Invalid} with line and column, or
/// the path of a duplicate key.
nlohmann::json parse_json(std::string_view text, std::string_view document, std::size_t max_bytes);

/// The text of a value, compact. Throws Error{Invalid} "writing <document>: …" for strings that are
/// not UTF-8 (values that did not come from parse_json).
std::string dump_json(const nlohmann::json& value, std::string_view document);

/// One value of a parsed document together with its path, for typed access. All accessors throw
/// Error{Invalid} "reading config: 'rootfs.diff_ids[2]' is not a string". Refers to the value and
/// must not outlive it; cheap to copy.
class JsonView {
 public:
  /// The root of a document; `document` appears in errors.
  JsonView(const nlohmann::json& value, std::string document)
      : value_(&value), document_(std::move(document)) {}

  const nlohmann::json& value() const noexcept { return *value_; }
  /// "rootfs.diff_ids[2]"; empty for the root. Long keys are cut.
  std::string path() const;
  const std::string& document() const noexcept { return document_; }

  bool is_null() const noexcept;
  bool is_string() const noexcept;
  bool is_array() const noexcept;
  bool is_object() const noexcept;

  const std::string& string() const;
  bool boolean() const;
  /// A whole number from 0 to 2^63-1, so that it fits every size type.
  std::uint64_t unsigned_number() const;
  std::int64_t number() const;
  /// A whole number from 0 to 2^64-1.
  std::uint64_t wide_number() const;
  /// Elements of an array.
  std::vector<JsonView> items() const;
  /// Elements of an array of strings.
  std::vector<std::string> strings() const;
  /// Members of an object, sorted by key.
  std::vector<std::pair<std::string, JsonView>> members() const;

  /// A member of an object. Absent and null are both nullopt, as Go's decoder takes them.
  std::optional<JsonView> find(std::string_view key) const;
  /// As find(), but absent or null is an error: "'rootfs' is missing".
  JsonView at(std::string_view key) const;
  /// find() and string(); `fallback` when absent or null.
  std::string string_or(std::string_view key, std::string_view fallback) const;

  /// Throws Error{Invalid} "reading <document>: '<path>' <problem>".
  [[noreturn]] void refuse(std::string_view problem) const;

 private:
  JsonView(const nlohmann::json& value,
           std::shared_ptr<const JsonView> parent,
           const std::string* key,
           std::size_t index)
      : value_(&value),
        document_(parent->document_),
        parent_(std::move(parent)),
        key_(key),
        index_(index) {}
  void require(bool holds, std::string_view problem) const;

  const nlohmann::json* value_;
  std::string document_;
  // Where it is. Paths are made when they are shown: each has those above it in it.
  std::shared_ptr<const JsonView> parent_;
  const std::string* key_ = nullptr;  ///< in `parent_`; null: an item
  std::size_t index_ = 0;
};

}  // namespace layerkit
