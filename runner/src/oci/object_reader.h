#pragma once

#include <algorithm>
#include <concepts>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layerkit/base/context.h"
#include "layerkit/base/strict_json.h"

namespace layerkit::runner {

/// The members of one JSON object: each is taken once, and what nobody took is told.
class ObjectReader final {
 public:
  ObjectReader(JsonView object, const Context& context)
      : object_(std::move(object)), context_(context) {}
  ObjectReader(const ObjectReader&) = delete;
  ObjectReader& operator=(const ObjectReader&) = delete;
  ~ObjectReader() = default;

  const Context& context() const noexcept { return context_; }
  const JsonView& view() const noexcept { return object_; }

  /// Absent and null alike are nullopt.
  std::optional<JsonView> take(std::string_view key) {
    taken_.emplace_back(key);
    return object_.find(key);
  }
  JsonView need(std::string_view key) {
    taken_.emplace_back(key);
    return object_.at(key);
  }

  void text(std::string_view key, std::string& into) {
    if (const auto value = take(key)) into = value->string();
  }
  void texts(std::string_view key, std::vector<std::string>& into) {
    if (const auto value = take(key)) into = value->strings();
  }
  void flag(std::string_view key, bool& into) {
    if (const auto value = take(key)) into = value->boolean();
  }
  template <std::integral Number>
  void number(std::string_view key, Number& into) {
    if (const auto value = take(key)) into = number_of<Number>(*value);
  }
  template <std::integral Number>
  void number(std::string_view key, std::optional<Number>& into) {
    if (const auto value = take(key)) into = number_of<Number>(*value);
  }

  /// Called last.
  void finish() const {
    for (const auto& [key, value] : object_.members()) {
      if (std::find(taken_.begin(), taken_.end(), key) != taken_.end()) continue;
      context_.warn("reading " + value.document() + ": '" + value.path() +
                    "' is not known and has no effect");
    }
  }

  template <std::integral Number>
  static Number number_of(const JsonView& value) {
    using Limits = std::numeric_limits<Number>;
    if constexpr (std::signed_integral<Number>) {
      const std::int64_t wide = value.number();
      if (wide < Limits::min() || wide > Limits::max()) value.refuse("is out of range");
      return static_cast<Number>(wide);
    } else {
      const std::uint64_t wide = value.wide_number();
      if (wide > Limits::max()) value.refuse("is out of range");
      return static_cast<Number>(wide);
    }
  }

 private:
  JsonView object_;
  const Context& context_;
  std::vector<std::string> taken_;
};

}  // namespace layerkit::runner
