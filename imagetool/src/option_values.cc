#include "layerkit/imagetool/option_values.h"

#include <arpa/inet.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <limits>

#include "layerkit/base/error.h"
#include "layerkit/base/rel_path.h"
#include "layerkit/base/text.h"

namespace layerkit {
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
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.' || c == '_';
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
