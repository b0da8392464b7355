#include "time_format.h"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <ctime>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

using std::chrono::days;
using std::chrono::seconds;

constexpr std::int64_t kSecondsPerDay = 86'400;
/// 0001-01-01T00:00:00Z, what Go prints for a time that was never set.
constexpr std::int64_t kGoZeroTime = -62'135'596'800;

/// Reads fixed-width fields from the front of a text; once a field is wrong everything fails.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  unsigned digits(std::size_t count) {
    const auto value = parse_decimal(rest_.substr(0, count));
    if (rest_.size() < count || !value) ok_ = false;
    rest_.remove_prefix(std::min(count, rest_.size()));
    return ok_ ? static_cast<unsigned>(*value) : 0;
  }
  unsigned digits(std::size_t count, unsigned most) {
    const unsigned value = digits(count);
    if (value > most) ok_ = false;
    return value;
  }
  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char c) { ok_ = take(c) && ok_; }
  /// The digits after the decimal point, as nanoseconds.
  std::uint32_t fraction() {
    std::uint32_t value = 0;
    std::size_t count = 0;
    for (; !rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9'; ++count) {
      if (count < 9) value = value * 10 + static_cast<std::uint32_t>(rest_[0] - '0');
      rest_.remove_prefix(1);
    }
    if (count == 0) ok_ = false;
    for (; count < 9; ++count) {
      value *= 10;
    }
    return value;
  }
  /// "Z" or "+02:00", in seconds east.
  std::int64_t zone() {
    if (take('Z')) return 0;
    const bool west = rest_.starts_with('-');
    if (!west && !rest_.starts_with('+')) ok_ = false;
    rest_.remove_prefix(rest_.empty() ? 0 : 1);
    const unsigned hours = digits(2, 23);
    expect(':');
    const unsigned minutes = digits(2, 59);
    const std::int64_t offset = std::int64_t{hours} * 3600 + std::int64_t{minutes} * 60;
    return west ? -offset : offset;
  }
  bool finished() const noexcept { return ok_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace

std::optional<Timestamp> parse_rfc3339(std::string_view text) noexcept {
  Reader in(text);
  const std::chrono::year year(static_cast<int>(in.digits(4)));
  in.expect('-');
  const std::chrono::month month(in.digits(2));
  in.expect('-');
  const std::chrono::day day(in.digits(2));
  in.expect('T');
  const unsigned hour = in.digits(2, 23);
  in.expect(':');
  const unsigned minute = in.digits(2, 59);
  in.expect(':');
  const unsigned second = in.digits(2, 59);
  Timestamp time;
  if (in.take('.')) time.nanoseconds = in.fraction();
  const std::int64_t zone = in.zone();
  const std::chrono::year_month_day date(year, month, day);
  if (!in.finished() || !date.ok()) return std::nullopt;
  const std::int64_t day_count = std::chrono::sys_days(date).time_since_epoch().count();
  time.seconds = day_count * kSecondsPerDay + std::int64_t{hour} * 3600 +
                 std::int64_t{minute} * 60 + std::int64_t{second} - zone;
  return time;
}

std::string format_rfc3339(const Timestamp& time) {
  std::tm fields{};
  const std::time_t when = time.seconds;
  if (::gmtime_r(&when, &fields) == nullptr) {
    fail(Errc::Limit, "writing the time {}: it is out of range", time.seconds);
  }
  std::string text =
      fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", std::int64_t{fields.tm_year} + 1900,
                  fields.tm_mon + 1, fields.tm_mday, fields.tm_hour, fields.tm_min, fields.tm_sec);
  if (time.nanoseconds != 0) {
    std::string fraction = fmt::format("{:09}", time.nanoseconds);
    fraction.erase(fraction.find_last_not_of('0') + 1);
    text += "." + fraction;
  }
  return text + "Z";
}

std::string format_local(const Timestamp& time) {
  std::tm fields{};
  const std::time_t when = time.seconds;
  ::tzset();
  if (::localtime_r(&when, &fields) == nullptr) return format_rfc3339(time);
  std::array<char, 64> text{};
  const std::size_t size =
      std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S %z %Z", &fields);
  return {text.data(), size};
}

Timestamp current_time() {
  timespec now{};
  if (::clock_gettime(CLOCK_REALTIME, &now) != 0) fail_errno(errno, "reading the clock");
  return {now.tv_sec, static_cast<std::uint32_t>(now.tv_nsec)};
}

// The words and bounds are those of github.com/docker/go-units, HumanDuration.
std::string human_duration(std::int64_t seconds) {
  constexpr std::int64_t kHour = 3600;
  if (seconds < 1) return "Less than a second";
  if (seconds == 1) return "1 second";
  if (seconds < 60) return fmt::format("{} seconds", seconds);
  if (seconds < 120) return "About a minute";
  if (seconds < kHour) return fmt::format("{} minutes", seconds / 60);
  const std::int64_t hours = seconds / kHour + (seconds % kHour >= kHour / 2 ? 1 : 0);
  if (hours == 1) return "About an hour";
  if (hours < 48) return fmt::format("{} hours", hours);
  if (hours < std::int64_t{24} * 7 * 2) return fmt::format("{} days", hours / 24);
  if (hours < std::int64_t{24} * 30 * 2) return fmt::format("{} weeks", hours / 24 / 7);
  if (hours < std::int64_t{24} * 365 * 2) return fmt::format("{} months", hours / 24 / 30);
  return fmt::format("{} years", seconds / kHour / 24 / 365);
}

std::string human_age(const Timestamp& time, const Timestamp& now) {
  if (time.seconds == kGoZeroTime) return "N/A";
  return human_duration(now.seconds - time.seconds) + " ago";
}

// github.com/docker/go-units, HumanSizeWithPrecision(size, 3), without its "1e+03kB".
std::string human_size(std::uint64_t bytes) {
  static constexpr std::array<std::string_view, 7> kUnits = {"B",  "kB", "MB", "GB",
                                                             "TB", "PB", "EB"};
  constexpr double kRoundsUp = 999.5;  // three digits of this and more are 1000
  auto size = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (size >= kRoundsUp && unit + 1 < kUnits.size()) {
    if (unit == 0 && size < 1000) break;  // bytes are whole
    size /= 1000;
    ++unit;
  }
  return fmt::format("{:.3g}{}", size, kUnits[unit]);
}

}  // namespace layerkit
