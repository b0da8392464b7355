#include "layerkit/imagetool/option_values.h"

#include <arpa/inet.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <limits>

#include "layerkit/base/error.h"
#include "layerkit/base/rel_path.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

char upper(char c) noexcept {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

std::string upper(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), [](char c) { return upper(c); });
  return result;
}

std::string_view take_digits(std::string_view& rest) {
  const auto end = std::find_if_not(rest.begin(), rest.end(), is_digit);
  const auto digits = rest.substr(0, static_cast<std::size_t>(end - rest.begin()));
  rest.remove_prefix(digits.size());
  return digits;
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

int parse_signal(std::string_view text) {
  if (const auto number = parse_decimal(text)) {
    if (*number >= 1 && *number < static_cast<std::uint64_t>(NSIG))
      return static_cast<int>(*number);
    fail(Errc::Invalid, "invalid signal: {}", quoted(text));
  }
  std::string name = upper(text);
  if (name.rfind("SIG", 0) == 0) name.erase(0, 3);
  for (int signal = 1; signal < NSIG; ++signal) {
    const char* known = ::sigabbrev_np(signal);
    if (known != nullptr && name == known) return signal;
  }
  // Docker's names for the real-time signals count from the kernel's SIGRTMIN that libc shows.
  const auto offset = [&](std::string_view prefix) -> std::optional<int> {
    if (name.rfind(prefix, 0) != 0) return std::nullopt;
    if (name.size() == prefix.size()) return 0;
    const auto number = parse_decimal(std::string_view(name).substr(prefix.size() + 1));
    if (!number || *number > 30) return std::nullopt;
    return static_cast<int>(*number);
  };
  const auto up = offset("RTMIN");
  if (up && (name.size() == 5 || name[5] == '+') && SIGRTMIN + *up <= SIGRTMAX)
    return SIGRTMIN + *up;
  const auto down = offset("RTMAX");
  if (down && (name.size() == 5 || name[5] == '-') && SIGRTMAX - *down >= SIGRTMIN) {
    return SIGRTMAX - *down;
  }
  fail(Errc::Invalid, "invalid signal: {}", quoted(text));
}

namespace {

struct UlimitName {
  std::string_view name;
  int resource;
};

constexpr std::array<UlimitName, 16> kUlimits = {{
    {"as", RLIMIT_AS},
    {"core", RLIMIT_CORE},
    {"cpu", RLIMIT_CPU},
    {"data", RLIMIT_DATA},
    {"fsize", RLIMIT_FSIZE},
    {"locks", RLIMIT_LOCKS},
    {"memlock", RLIMIT_MEMLOCK},
    {"msgqueue", RLIMIT_MSGQUEUE},
    {"nice", RLIMIT_NICE},
    {"nofile", RLIMIT_NOFILE},
    {"nproc", RLIMIT_NPROC},
    {"rss", RLIMIT_RSS},
    {"rtprio", RLIMIT_RTPRIO},
    {"rttime", RLIMIT_RTTIME},
    {"sigpending", RLIMIT_SIGPENDING},
    {"stack", RLIMIT_STACK},
}};

std::uint64_t parse_limit(std::string_view value, std::string_view whole) {
  if (value == "-1") return RLIM_INFINITY;
  const auto number = parse_decimal(value);
  if (!number) fail(Errc::Invalid, "invalid ulimit argument: {}", quoted(whole));
  return *number;
}

}  // namespace

Rlimit parse_ulimit(std::string_view text) {
  const auto [name, limits] = parse_key_value(text, "ulimit");
  const auto* const known = std::ranges::find(kUlimits, name, &UlimitName::name);
  if (known == kUlimits.end()) fail(Errc::Invalid, "invalid ulimit type: {}", quoted(name));
  const auto parts = split(limits, ':');
  if (parts.size() > 2) fail(Errc::Invalid, "invalid ulimit argument: {}", quoted(text));
  Rlimit result;
  result.resource = known->resource;
  result.soft = parse_limit(parts[0], text);
  result.hard = parts.size() == 2 ? parse_limit(parts[1], text) : result.soft;
  if (result.soft > result.hard) {
    fail(Errc::Invalid, "ulimit {}: the soft limit must not be above the hard limit", quoted(text));
  }
  return result;
}

std::string_view ulimit_name(int resource) {
  const auto known = std::find_if(kUlimits.begin(), kUlimits.end(), [&](const UlimitName& entry) {
    return entry.resource == resource;
  });
  return known == kUlimits.end() ? std::string_view("unknown") : known->name;
}

std::pair<std::string, std::string> parse_key_value(std::string_view text, std::string_view what) {
  const auto equals = text.find('=');
  const auto key = text.substr(0, equals);
  if (key.empty()) fail(Errc::Invalid, "invalid {}: {}", what, quoted(text));
  return {std::string(key),
          equals == std::string_view::npos ? std::string() : std::string(text.substr(equals + 1))};
}

std::string parse_mount_target(std::string_view text, std::string_view what) {
  if (text.empty() || text.front() != '/') {
    fail(Errc::Invalid, "invalid {} {}: the path in the container must be absolute", what,
         quoted(text));
  }
  const RelPath path = RelPath::parse(text);
  if (path.is_root()) {
    fail(Errc::Invalid, "invalid {} {}: the destination can't be '/'", what, quoted(text));
  }
  return path.absolute();
}

std::string parse_address(std::string_view text) {
  std::string address(text);
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  if (::inet_pton(AF_INET, address.c_str(), bytes.data()) == 1 ||
      ::inet_pton(AF_INET6, address.c_str(), bytes.data()) == 1) {
    return address;
  }
  fail(Errc::Invalid, "invalid IP address: {}", quoted(text));
}

std::string parse_hostname(std::string_view text) {
  const auto valid = [](char c) {
    return is_digit(c) || (upper(c) >= 'A' && upper(c) <= 'Z') || c == '-' || c == '.' || c == '_';
  };
  if (text.empty() || text.size() > 63 || text.front() == '-' ||
      !std::all_of(text.begin(), text.end(), valid)) {
    fail(Errc::Invalid, "invalid hostname: {}", quoted(text));
  }
  return std::string(text);
}

std::string parse_extra_host(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos)
    fail(Errc::Invalid, "bad format for add-host: {}", quoted(text));
  parse_hostname(text.substr(0, colon));
  parse_address(text.substr(colon + 1));
  return std::string(text);
}

}  // namespace layerkit
