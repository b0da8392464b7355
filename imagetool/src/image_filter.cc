#include "image_filter.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "layerkit/base/error.h"
#include "layerkit/base/strict_json.h"
#include "layerkit/base/text.h"
#include "time_format.h"

namespace layerkit {
namespace {

/// "1h30m" in seconds.
std::optional<std::int64_t> parse_age(std::string_view text) {
  constexpr std::string_view kUnits = "smh";
  constexpr std::int64_t kSeconds[] = {1, 60, 3600};
  constexpr std::uint64_t kMost = 1'000'000'000;
  std::int64_t total = 0;
  while (!text.empty()) {
    const std::size_t digits = text.find_first_not_of("0123456789");
    if (digits == 0 || digits == std::string_view::npos) return std::nullopt;
    const auto count = parse_decimal(text.substr(0, digits));
    const std::size_t unit = kUnits.find(text[digits]);
    if (!count || *count > kMost || unit == std::string_view::npos) return std::nullopt;
    total += static_cast<std::int64_t>(*count) * kSeconds[unit];
    if (total > static_cast<std::int64_t>(kMost) * 10) return std::nullopt;
    text.remove_prefix(digits + 1);
  }
  return total;
}

/// What is left out of "2006-01-02T15:04:05Z" is the beginning of the day, UTC.
std::optional<Timestamp> parse_date(const std::string& text) {
  for (const char* rest : {"", "Z", ":00Z", "T00:00:00Z"}) {
    if (const auto time = parse_rfc3339(text + rest)) return time;
  }
  return std::nullopt;
}

bool parse_truth(const std::string& text) {
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0") return false;
  fail(Errc::Invalid, "reading filter 'dangling': {} is neither true nor false", quoted(text));
}

/// The value of a label; nullopt when the image does not have it.
std::optional<std::string> label_of(const Image& image, const std::string& key) {
  const auto config = JsonView(image.config(), "config").find("config");
  const auto labels = config ? config->find("Labels") : std::nullopt;
  const auto label = labels ? labels->find(key) : std::nullopt;
  return label ? std::optional(label->string()) : std::nullopt;
}

}  // namespace

Timestamp parse_moment(const std::string& text, const Timestamp& now) {
  if (const auto time = parse_date(text)) return *time;
  if (const auto seconds = parse_decimal(text)) {
    return {static_cast<std::int64_t>(std::min<std::uint64_t>(*seconds, INT64_MAX)), 0};
  }
  const auto age = text.empty() ? std::nullopt : parse_age(text);
  if (!age) fail(Errc::Invalid, "invalid time: {}", quoted(text));
  return {now.seconds - *age, now.nanoseconds};
}

void PruneFilter::add(const std::string& text, const Timestamp& now) {
  const std::size_t equals = text.find('=');
  const std::string value = equals == std::string::npos ? "" : text.substr(equals + 1);
  const std::string key = text.substr(0, equals);
  if (key == "dangling") {
    dangling_ = parse_truth(value);
  } else if (key == "until") {
    until_ = parse_moment(value, now);
  } else if ((key == "label" || key == "label!") && !value.empty()) {
    const std::size_t split = value.find('=');
    labels_.push_back(
        {value.substr(0, split),
         split == std::string::npos ? std::nullopt : std::optional(value.substr(split + 1)),
         key == "label"});
  } else {
    fail(Errc::Invalid,
         "reading filter {}: only until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE] and "
         "dangling=BOOL are known",
         quoted(text));
  }
}

bool PruneFilter::takes(const Image& image) const {
  if (until_) {
    const auto created = parse_rfc3339(JsonView(image.config(), "config").string_or("created", ""));
    if (!created || *created >= *until_) return false;
  }
  return std::all_of(labels_.begin(), labels_.end(), [&](const Label& label) {
    const auto value = label_of(image, label.key);
    const bool has = value && (!label.value || *label.value == *value);
    return has == label.wanted;
  });
}

}  // namespace layerkit
