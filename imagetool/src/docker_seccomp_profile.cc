#include "layerkit/imagetool/docker_seccomp_profile.h"

#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "layerkit/base/error.h"
#include "layerkit/base/strict_json.h"
#include "layerkit/base/text.h"

// moby, profiles/seccomp/seccomp_linux.go.

namespace layerkit {
namespace {

using Version = std::pair<unsigned, unsigned>;

#if defined(__x86_64__)
constexpr std::string_view kArchitecture = "SCMP_ARCH_X86_64";
constexpr std::string_view kGoArchitecture = "amd64";
#elif defined(__aarch64__)
constexpr std::string_view kArchitecture = "SCMP_ARCH_AARCH64";
constexpr std::string_view kGoArchitecture = "arm64";
#else
#error "the names of this architecture in seccomp profiles are not written down here"
#endif

void refuse_unknown(const JsonView& json, std::initializer_list<std::string_view> known) {
  for (const auto& [key, value] : json.members()) {
    if (std::find(known.begin(), known.end(), key) == known.end())
      value.refuse("is not a member that a seccomp profile has");
  }
}

bool contains(const std::vector<std::string>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

std::vector<std::string> strings_of(const JsonView& json, std::string_view key) {
  const auto list = json.find(key);
  return list ? list->strings() : std::vector<std::string>();
}

std::uint32_t small_number(const JsonView& json) {
  const std::uint64_t number = json.unsigned_number();
  if (number > std::numeric_limits<std::uint32_t>::max()) json.refuse("is too large");
  return static_cast<std::uint32_t>(number);
}

/// "4.8"
Version parse_version(const JsonView& json) {
  const auto parts = split(json.string(), '.');
  const auto major = parts.size() == 2 ? parse_decimal(parts[0]) : std::nullopt;
  const auto minor = parts.size() == 2 ? parse_decimal(parts[1]) : std::nullopt;
  constexpr std::uint64_t kMost = 100'000;
  if (!major || !minor || *major > kMost || *minor > kMost)
    json.refuse("is not a kernel version like 4.8");
  return {static_cast<unsigned>(*major), static_cast<unsigned>(*minor)};
}

/// "EPERM" -> 1. Podman's profiles say it beside the number.
std::uint32_t errno_of(const JsonView& json) {
  constexpr int kMostErrno = 133;
  for (int number = 1; number <= kMostErrno; ++number) {
    const char* const name = ::strerrorname_np(number);
    if (name != nullptr && json.string() == name) return static_cast<std::uint32_t>(number);
  }
  json.refuse("is not the name of an error");
}

std::optional<std::uint32_t> error_number(const JsonView& json,
                                          std::string_view number,
                                          std::string_view name) {
  if (const auto word = json.find(name); word && !word->string().empty()) return errno_of(*word);
  if (const auto value = json.find(number)) return small_number(*value);
  return std::nullopt;
}

/// One condition of a rule, "includes" or "excludes".
struct Condition {
  std::vector<std::string> arches;
  std::vector<std::string> caps;
  std::optional<Version> min_kernel;
};

Condition parse_condition(const JsonView& rule, std::string_view key) {
  Condition condition;
  const auto json = rule.find(key);
  if (!json) return condition;
  refuse_unknown(*json, {"arches", "caps", "minKernel"});
  condition.arches = strings_of(*json, "arches");
  condition.caps = strings_of(*json, "caps");
  if (const auto version = json->find("minKernel"); version && !version->string().empty())
    condition.min_kernel = parse_version(*version);
  return condition;
}

bool is_excluded(const Condition& excludes, const SeccompTarget& target) {
  const bool has_capability =
      std::any_of(excludes.caps.begin(), excludes.caps.end(),
                  [&](const auto& name) { return contains(target.capabilities, name); });
  return contains(excludes.arches, target.go_architecture) || has_capability ||
         (excludes.min_kernel &&
          *excludes.min_kernel <= Version(target.kernel_major, target.kernel_minor));
}

bool is_included(const Condition& includes, const SeccompTarget& target) {
  const bool has_capabilities =
      std::all_of(includes.caps.begin(), includes.caps.end(),
                  [&](const auto& name) { return contains(target.capabilities, name); });
  return (includes.arches.empty() || contains(includes.arches, target.go_architecture)) &&
         has_capabilities &&
         (!includes.min_kernel ||
          *includes.min_kernel <= Version(target.kernel_major, target.kernel_minor));
}

SeccompProfile::Argument parse_argument(const JsonView& json) {
  refuse_unknown(json, {"index", "value", "valueTwo", "op"});
  SeccompProfile::Argument argument;
  argument.index = small_number(json.at("index"));
  argument.value = json.at("value").wide_number();
  if (const auto second = json.find("valueTwo")) argument.value_two = second->wide_number();
  argument.op = json.at("op").string();
  return argument;
}

SeccompProfile::Rule parse_rule(const JsonView& json) {
  SeccompProfile::Rule rule;
  rule.names = strings_of(json, "names");
  if (const auto name = json.find("name"); name && !name->string().empty()) {
    if (!rule.names.empty()) json.refuse("has both 'name' and 'names'");
    rule.names.push_back(name->string());
  }
  rule.action = json.at("action").string();
  rule.errno_ret = error_number(json, "errnoRet", "errno");
  if (const auto arguments = json.find("args")) {
    for (const auto& argument : arguments->items())
      rule.args.push_back(parse_argument(argument));
  }
  return rule;
}

void parse_rules(const JsonView& json, const SeccompTarget& target, SeccompProfile& profile) {
  for (const auto& rule : json.items()) {
    refuse_unknown(rule, {"name", "names", "action", "errnoRet", "errno", "args", "comment",
                          "includes", "excludes"});
    const auto parsed = parse_rule(rule);
    const Condition excludes = parse_condition(rule, "excludes");
    const Condition includes = parse_condition(rule, "includes");
    if (!is_excluded(excludes, target) && is_included(includes, target))
      profile.syscalls.push_back(parsed);
  }
}

std::vector<std::string> parse_architectures(const JsonView& json, const SeccompTarget& target) {
  std::vector<std::string> architectures = strings_of(json, "architectures");
  const auto map = json.find("archMap");
  if (!map) return architectures;
  if (!architectures.empty() && !map->items().empty())
    map->refuse("and 'architectures' are both there: use either");
  for (const auto& entry : map->items()) {
    refuse_unknown(entry, {"architecture", "subArchitectures"});
    const auto more = strings_of(entry, "subArchitectures");
    if (entry.at("architecture").string() != target.architecture) continue;
    architectures.push_back(target.architecture);
    architectures.insert(architectures.end(), more.begin(), more.end());
  }
  return architectures;
}

}  // namespace

SeccompTarget seccomp_target(std::vector<std::string> capabilities) {
  SeccompTarget target;
  target.capabilities = std::move(capabilities);
  target.architecture = kArchitecture;
  target.go_architecture = kGoArchitecture;
  struct utsname system {};
  if (::uname(&system) != 0) fail_errno(errno, "reading the version of the kernel");
  const std::string_view release(system.release);
  const auto dot = release.find('.');
  const auto rest = dot == std::string_view::npos ? std::string_view() : release.substr(dot + 1);
  const auto major = parse_decimal(release.substr(0, dot));
  const auto minor = parse_decimal(rest.substr(0, rest.find_first_not_of("0123456789")));
  if (!major || !minor)
    fail(Errc::Unsupported, "reading the version of the kernel: {} is none", quoted(release));
  target.kernel_major = static_cast<unsigned>(*major);
  target.kernel_minor = static_cast<unsigned>(*minor);
  return target;
}

SeccompProfile parse_docker_seccomp_profile(std::string_view text,
                                            const std::string& document,
                                            const SeccompTarget& target) {
  const nlohmann::json parsed = parse_json(text, document, kMaxSeccompProfile);
  const JsonView json(parsed, document);
  refuse_unknown(json, {"defaultAction", "defaultErrnoRet", "defaultErrno", "architectures",
                        "archMap", "flags", "listenerPath", "listenerMetadata", "syscalls"});
  SeccompProfile profile;
  profile.default_action = json.at("defaultAction").string();
  profile.default_errno_ret = error_number(json, "defaultErrnoRet", "defaultErrno");
  profile.architectures = parse_architectures(json, target);
  profile.flags = strings_of(json, "flags");
  for (const char* key : {"listenerPath", "listenerMetadata"}) {
    const auto value = json.find(key);
    if (value && !value->string().empty()) value->refuse("is not supported: nobody listens");
  }
  if (const auto rules = json.find("syscalls")) parse_rules(*rules, target, profile);
  return profile;
}

}  // namespace layerkit
