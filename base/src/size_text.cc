#include "layerkit/base/size_text.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

std::string_view take_digits(std::string_view& rest) {
  const auto end = std::find_if_not(rest.begin(), rest.end(), is_digit);
  const auto digits = rest.substr(0, static_cast<std::size_t>(end - rest.begin()));
  rest.remove_prefix(digits.size());
  return digits;
}

char upper(char c) noexcept {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

std::string upper(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), [](char c) { return upper(c); });
  return result;
}

constexpr std::uint64_t kBillion = 1'000'000'000;

/// What follows a whole number: nothing (0) or ".34" in billionths; nullopt for "." alone and for
/// more than nine decimals.
std::optional<std::uint64_t> take_billionths(std::string_view& rest) {
  if (rest.empty() || rest.front() != '.') return 0;
  rest.remove_prefix(1);
  const auto decimals = take_digits(rest);
  if (decimals.empty() || decimals.size() > 9) return std::nullopt;
  std::string padded(decimals);
  padded.resize(9, '0');
  return parse_decimal(padded);
}

/// Power of two of a size suffix: "", "b", "k", "kb", "kib", " m", ...; nullopt when unknown.
std::optional<unsigned> size_shift(std::string_view suffix) {
  if (!suffix.empty() && suffix.front() == ' ') suffix.remove_prefix(1);
  const std::string unit = upper(suffix);
  if (unit.empty() || unit == "B") return 0;
  const auto place = std::string_view("KMGTP").find(unit[0]);
  if (place == std::string_view::npos) return std::nullopt;
  const std::string tail = unit.substr(1);
  if (!tail.empty() && tail != "B" && tail != "IB" && tail != "I") return std::nullopt;
  return static_cast<unsigned>(place + 1) * 10;
}

}  // namespace

std::uint64_t parse_size(std::string_view text) {
  std::string_view rest = text;
  const auto whole = parse_decimal(take_digits(rest));
  const auto billionths = take_billionths(rest);
  const auto shift = size_shift(rest);
  if (!whole || !billionths || !shift) fail(Errc::Invalid, "invalid size: {}", quoted(text));
  constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();
  if (*whole >= kMax >> *shift) fail(Errc::Invalid, "size {} is too large", quoted(text));
  const std::uint64_t unit = std::uint64_t{1} << *shift;
  const auto part =
      static_cast<long double>(*billionths) / kBillion * static_cast<long double>(unit);
  return *whole * unit + static_cast<std::uint64_t>(part);
}

std::int64_t parse_nano_cpus(std::string_view text) {
  std::string_view rest = text;
  const auto whole = parse_decimal(take_digits(rest));
  const auto billionths = take_billionths(rest);
  if (!whole || !billionths || !rest.empty() || *whole > 1'000'000) {
    fail(Errc::Invalid, "invalid number of CPUs: {}", quoted(text));
  }
  return static_cast<std::int64_t>(*whole * kBillion + *billionths);
}

}  // namespace layerkit
