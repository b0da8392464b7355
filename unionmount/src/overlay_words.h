#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "layerkit/base/error.h"
#include "layerkit/unionmount/overlay_settings.h"

namespace layerkit {

/// A value of a mount option and its name.
template <typename Value>
struct OptionWord {
  std::string_view word;
  Value value;
};
// clang 14 does not deduce it by itself.
template <typename Value>
OptionWord(std::string_view, Value) -> OptionWord<Value>;

inline constexpr std::array kRedirectWords = {OptionWord{"on", OverlayRedirect::On},
                                              OptionWord{"off", OverlayRedirect::Off},
                                              OptionWord{"follow", OverlayRedirect::Follow},
                                              OptionWord{"nofollow", OverlayRedirect::NoFollow}};
inline constexpr std::array kXinoWords = {OptionWord{"on", OverlayXino::On},
                                          OptionWord{"off", OverlayXino::Off},
                                          OptionWord{"auto", OverlayXino::Auto}};
inline constexpr std::array kUuidWords = {
    OptionWord{"null", OverlayUuid::Null}, OptionWord{"off", OverlayUuid::Off},
    OptionWord{"auto", OverlayUuid::Auto}, OptionWord{"on", OverlayUuid::On}};
inline constexpr std::array kVerityWords = {OptionWord{"on", OverlayVerity::On},
                                            OptionWord{"off", OverlayVerity::Off},
                                            OptionWord{"require", OverlayVerity::Require}};
inline constexpr std::array kSwitchWords = {OptionWord{"on", true}, OptionWord{"off", false}};

template <typename Value, std::size_t Count>
constexpr std::string_view word_of(const std::array<OptionWord<Value>, Count>& words,
                                   Value value) noexcept {
  for (const OptionWord<Value>& known : words)
    if (known.value == value) return known.word;
  return {};
}

template <typename Value, std::size_t Count>
constexpr std::optional<Value> find_value(const std::array<OptionWord<Value>, Count>& words,
                                          std::string_view word) noexcept {
  for (const OptionWord<Value>& known : words)
    if (known.word == word) return known.value;
  return std::nullopt;
}

/// Throws Error{Invalid} that lists the words.
template <typename Value, std::size_t Count>
Value value_of(const std::array<OptionWord<Value>, Count>& words, std::string_view word) {
  if (const std::optional<Value> found = find_value(words, word)) return *found;
  std::string all;
  for (const OptionWord<Value>& known : words)
    all += (all.empty() ? "" : ", ") + std::string(known.word);
  fail(Errc::Invalid, "the value is none of {}", all);
}

}  // namespace layerkit
