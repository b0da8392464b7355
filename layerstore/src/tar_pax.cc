#include "tar_pax.h"

#include <fmt/core.h>

#include <algorithm>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

constexpr std::string_view kXattrPrefix = "SCHILY.xattr.";
constexpr std::string_view kSparsePrefix = "GNU.sparse.";
constexpr std::size_t kMaxXattrs = 1024;  // more than the kernel lists for a file in practice
constexpr std::size_t kNanosecondDigits = 9;
constexpr std::uint32_t kSecond = 1'000'000'000;

struct PaxRecord {
  std::string_view key;
  std::string_view value;
};

/// Takes one record off the front of `records`.
PaxRecord take_record(std::string_view& records) {
  const std::size_t space = records.substr(0, 21).find(' ');
  const auto length =
      space == std::string_view::npos ? std::nullopt : parse_decimal(records.substr(0, space));
  if (!length || *length > records.size() || *length < space + 3) {
    fail(Errc::Invalid, "its PAX records are malformed");
  }
  std::string_view record = records.substr(space + 1, *length - space - 1);
  records.remove_prefix(*length);
  const std::size_t equals = record.find('=');
  if (equals == std::string_view::npos || equals == 0 || record.back() != '\n') {
    fail(Errc::Invalid, "its PAX records are malformed");
  }
  record.remove_suffix(1);
  const PaxRecord result{record.substr(0, equals), record.substr(equals + 1)};
  if (result.key.find('\0') != std::string_view::npos) {
    fail(Errc::Invalid, "its PAX record {} has a NUL byte in its key", quoted(result.key));
  }
  return result;
}

std::optional<std::string> parse_name(const PaxRecord& record, const TarLimits& limits) {
  if (record.value.find('\0') != std::string_view::npos) {
    fail(Errc::Invalid, "its PAX {} contains a NUL byte", record.key);
  }
  if (record.value.size() > limits.path_bytes) {
    fail(Errc::Limit, "its PAX {} has more than {} bytes (the limit max-path-length)", record.key,
         limits.path_bytes);
  }
  if (record.value.empty()) return std::nullopt;
  return std::string(record.value);
}

std::optional<std::uint64_t> parse_number(const PaxRecord& record) {
  if (record.value.empty()) return std::nullopt;
  const auto number = parse_decimal(record.value);
  if (!number) {
    fail(Errc::Invalid, "its PAX {} {} is not a number", record.key, quoted(record.value));
  }
  return number;
}

/// Digits after the point, cut or filled to nanoseconds.
std::optional<std::uint32_t> parse_fraction(std::string_view digits) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!std::all_of(digits.begin(), digits.end(), is_digit)) return std::nullopt;
  std::uint32_t nanoseconds = 0;
  for (std::size_t i = 0; i < kNanosecondDigits; ++i) {
    const char digit = i < digits.size() ? digits[i] : '0';
    nanoseconds = nanoseconds * 10 + static_cast<std::uint32_t>(digit - '0');
  }
  return nanoseconds;
}

std::optional<Timestamp> parse_time(const PaxRecord& record) {
  if (record.value.empty()) return std::nullopt;
  std::string_view text = record.value;
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const std::size_t point = std::min(text.find('.'), text.size());
  const auto seconds = parse_decimal(text.substr(0, point));
  const auto fraction = parse_fraction(text.substr(std::min(point + 1, text.size())));
  if (!seconds || *seconds >= INT64_MAX || !fraction) {
    fail(Errc::Invalid, "its PAX {} {} is not a time", record.key, quoted(record.value));
  }
  Timestamp time{static_cast<std::int64_t>(*seconds), *fraction};
  if (!negative) return time;
  time.seconds = -time.seconds;
  if (time.nanoseconds > 0) time = {time.seconds - 1, kSecond - time.nanoseconds};
  return time;
}

bool take_number(const PaxRecord& record, PaxValues& values) {
  if (record.key == "uid") {
    values.uid = parse_number(record);
  } else if (record.key == "gid") {
    values.gid = parse_number(record);
  } else if (record.key == "mtime") {
    values.mtime = parse_time(record);
  } else {
    return false;
  }
  return true;
}

void take_xattr(const PaxRecord& record, PaxValues& values) {
  values.xattrs.insert_or_assign(std::string(record.key.substr(kXattrPrefix.size())),
                                 std::string(record.value));
  if (values.xattrs.size() > kMaxXattrs) {
    fail(Errc::Limit, "it has more than {} xattrs", kMaxXattrs);
  }
}

}  // namespace

void read_pax_records(std::string_view records, const TarLimits& limits, PaxValues& values) {
  while (!records.empty()) {
    const PaxRecord record = take_record(records);
    if (take_number(record, values)) continue;
    if (record.key == "path") {
      values.path = parse_name(record, limits);
    } else if (record.key == "linkpath") {
      values.link_path = parse_name(record, limits);
    } else if (record.key == "size") {
      values.size = parse_number(record);
    } else if (record.key == "SCHILY.realsize") {
      values.star_real_size = parse_number(record);
    } else if (record.key.starts_with(kXattrPrefix) && record.key != kXattrPrefix) {
      take_xattr(record, values);
    } else if (record.key.starts_with(kSparsePrefix)) {
      if (record.key == "GNU.sparse.name") (void)parse_name(record, limits);
      values.sparse.take(record.key.substr(kSparsePrefix.size()), record.value,
                         limits.sparse_pieces);
    }
  }
}

void read_pax_globals(std::string_view records, PaxValues& values) {
  while (!records.empty())
    take_number(take_record(records), values);
}

std::string format_pax_record(std::string_view key, std::string_view value) {
  // The length counts itself: one more digit may be what makes one more digit necessary.
  const std::size_t rest = key.size() + value.size() + 3;
  std::size_t length = rest + std::to_string(rest).size();
  length = rest + std::to_string(length).size();
  return fmt::format("{} {}={}\n", length, key, value);
}

std::string format_pax_time(const Timestamp& time) {
  const bool negative = time.seconds < 0;
  std::uint64_t seconds = static_cast<std::uint64_t>(time.seconds);
  std::uint32_t nanoseconds = time.nanoseconds;
  if (negative) {
    seconds = std::uint64_t{0} - seconds;
    if (nanoseconds > 0) {
      --seconds;
      nanoseconds = kSecond - nanoseconds;
    }
  }
  std::string text = fmt::format("{}{}", negative ? "-" : "", seconds);
  if (nanoseconds == 0) return text;
  text += fmt::format(".{:09}", nanoseconds);
  text.resize(text.find_last_not_of('0') + 1);
  return text;
}

}  // namespace layerkit
