#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "layerkit/base/entry.h"

namespace layerkit {

/// A date and time of RFC 3339 as Go reads it: "2024-05-14T01:28:19.5+02:00". nullopt for anything
/// else. Digits after the ninth of the fraction are dropped.
std::optional<Timestamp> parse_rfc3339(std::string_view text) noexcept;

/// UTC, as Go's RFC3339Nano: "2024-05-13T23:28:19.5Z", no fraction when it is 0.
/// Years outside 0..9999 are written with as many digits as they need.
std::string format_rfc3339(const Timestamp& time);

/// "2024-05-14 01:28:19 +0200 CEST" in the local time zone: docker's CreatedAt.
std::string format_local(const Timestamp& time);

/// The present time.
Timestamp current_time();

/// How docker words a duration: "Less than a second", "About an hour", "3 weeks".
std::string human_duration(std::int64_t seconds);

/// The duration from `time` to `now`, with " ago"; "N/A" for a time that says nothing (Go's zero
/// time, the year 1).
std::string human_age(const Timestamp& time, const Timestamp& now);

/// A size as docker prints it: three significant digits, powers of 1000: "13.3kB", "7.63MB".
std::string human_size(std::uint64_t bytes);

}  // namespace layerkit
