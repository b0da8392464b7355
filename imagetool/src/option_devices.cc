#include <algorithm>
#include <string>

#include "layerkit/base/error.h"
#include "layerkit/base/rel_path.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/option_values.h"

namespace layerkit {
namespace {

bool is_access(std::string_view text) {
  return !text.empty() && text.size() <= 3 && std::all_of(text.begin(), text.end(), [&](char c) {
    return std::string_view("rwm").find(c) != std::string_view::npos &&
           std::count(text.begin(), text.end(), c) == 1;
  });
}

std::string absolute_path(std::string_view path, std::string_view whole) {
  if (path.empty() || path.front() != '/') {
    fail(Errc::Invalid, "invalid device {}: {} is not an absolute path", quoted(whole),
         quoted(path));
  }
  return RelPath::parse(path).absolute();
}

/// A number, or nothing for '*'.
std::optional<std::int64_t> device_number(std::string_view text, std::string_view whole) {
  if (text == "*") return std::nullopt;
  const auto number = parse_decimal(text);
  if (!number || *number > UINT32_MAX)
    fail(Errc::Invalid, "invalid device cgroup format {}", quoted(whole));
  return static_cast<std::int64_t>(*number);
}

}  // namespace

DeviceMapping parse_device_mapping(std::string_view text) {
  auto parts = split(text, ':');
  DeviceMapping device;
  device.access = "rwm";
  if (parts.size() > 1 && (parts.size() == 3 || is_access(parts.back()))) {
    if (!is_access(parts.back()))
      fail(Errc::Invalid, "bad mode specified: {}", quoted(parts.back()));
    device.access = parts.back();
    parts.pop_back();
  }
  if (parts.size() > 2) fail(Errc::Invalid, "invalid device specification: {}", quoted(text));
  device.host = absolute_path(parts.front(), text);
  device.container =
      parts.back().empty() ? device.host : parse_mount_target(parts.back(), "device");
  return device;
}

Resources::DeviceRule parse_device_rule(std::string_view text) {
  const auto words = split(text, ' ');
  const auto numbers = words.size() == 3 ? split(words[1], ':') : std::vector<std::string_view>();
  const bool has_type = words[0] == "a" || words[0] == "b" || words[0] == "c";
  if (numbers.size() != 2 || !has_type || !is_access(words[2]))
    fail(Errc::Invalid, "invalid device cgroup format {}", quoted(text));
  Resources::DeviceRule rule;
  rule.allow = true;
  rule.type = words[0].front();
  rule.major = device_number(numbers[0], text);
  rule.minor = device_number(numbers[1], text);
  rule.access = words[2];
  return rule;
}

std::pair<std::string, std::uint64_t> parse_device_limit(
    std::string_view text, const std::function<std::uint64_t(const std::string&)>& parse) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) fail(Errc::Invalid, "bad format: {}", quoted(text));
  const std::string_view path = text.substr(0, colon);
  if (!path.starts_with("/dev/")) {
    fail(Errc::Invalid, "bad format for device path: {} does not start with /dev/", quoted(path));
  }
  return {std::string(path), parse(std::string(text.substr(colon + 1)))};
}

std::string parse_cpuset(std::string_view text) {
  for (const auto range : split(text, ',')) {
    const auto ends = split(range, '-');
    const auto first = parse_decimal(ends.front());
    const auto last = parse_decimal(ends.back());
    constexpr std::uint64_t kMost = 65'535;
    if (ends.size() > 2 || !first || !last || *first > *last || *last > kMost)
      fail(Errc::Invalid, "invalid list of CPUs or memory nodes: {}", quoted(text));
  }
  return std::string(text);
}

}  // namespace layerkit
