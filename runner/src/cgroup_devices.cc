#include "cgroup_devices.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>

#include "cgroup_files.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit::runner {
namespace {

using Key = DeviceFilter::Key;

struct UsualRule {
  Key key;
  unsigned access = 0;
};

/// Docker's: mknod of anything (an image's package manager may), use of these only.
constexpr std::array<UsualRule, 10> kUsualRules = {{{{-1, -1, 'c'}, kMknod},
                                                    {{-1, -1, 'b'}, kMknod},
                                                    {{1, 3, 'c'}, kAnyAccess},       // null
                                                    {{1, 5, 'c'}, kAnyAccess},       // zero
                                                    {{1, 7, 'c'}, kAnyAccess},       // full
                                                    {{1, 8, 'c'}, kAnyAccess},       // random
                                                    {{1, 9, 'c'}, kAnyAccess},       // urandom
                                                    {{5, 0, 'c'}, kAnyAccess},       // tty
                                                    {{5, 2, 'c'}, kAnyAccess},       // ptmx
                                                    {{136, -1, 'c'}, kAnyAccess}}};  // pts

constexpr std::array<std::pair<char, unsigned>, 3> kLetters = {
    {{'r', kRead}, {'w', kWrite}, {'m', kMknod}}};

std::string access_text(unsigned access) {
  std::string text;
  for (const auto& [letter, bit] : kLetters)
    if ((access & bit) != 0) text += letter;
  return text;
}

/// 0 for what is not access.
unsigned access_of(std::string_view text) noexcept {
  unsigned access = 0;
  for (const char c : text) {
    const auto found = std::find_if(kLetters.begin(), kLetters.end(),
                                    [&](const auto& each) { return each.first == c; });
    if (found == kLetters.end()) return 0;
    access |= found->second;
  }
  return access;
}

std::string number_text(std::int64_t number) {
  return number < 0 ? "*" : std::to_string(number);
}

std::string line_of(const Key& key, unsigned access) {
  return fmt::format("{} {}:{} {}", key.type, number_text(key.major), number_text(key.minor),
                     access_text(access));
}

Key key_of(const Resources::DeviceRule& rule) {
  return {rule.major.value_or(-1), rule.minor.value_or(-1), rule.type};
}

/// "*" or a number.
std::optional<std::int64_t> parse_number(std::string_view text) {
  if (text == "*") return -1;
  const auto number = parse_decimal(text);
  if (!number || *number > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  return static_cast<std::int64_t>(*number);
}

/// "c 1:3 rwm"; nullopt for something else.
std::optional<Resources::DeviceRule> parse_line(std::string_view line) {
  const std::vector<std::string_view> words = split(line, ' ');
  if (words.size() != 3 || words[0].size() != 1) return std::nullopt;
  const std::size_t colon = words[1].find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto major = parse_number(words[1].substr(0, colon));
  const auto minor = parse_number(words[1].substr(colon + 1));
  if (!major || !minor || access_of(words[2]) == 0) return std::nullopt;
  return Resources::DeviceRule{true, words[0].front(), major, minor, std::string(words[2])};
}

void check_rule(const Resources::DeviceRule& rule) {
  const auto is_number = [](const std::optional<std::int64_t>& number) {
    return !number || (*number >= -1 && *number <= std::numeric_limits<std::uint32_t>::max());
  };
  if ((rule.type != 'a' && rule.type != 'b' && rule.type != 'c') || !is_number(rule.major) ||
      !is_number(rule.minor) || access_of(rule.access) == 0) {
    fail(Errc::Invalid, "reading the device rule {}: it is none",
         quoted(fmt::format("{} {}:{} {}", rule.type, rule.major.value_or(-1),
                            rule.minor.value_or(-1), rule.access)));
  }
}

}  // namespace

void DeviceFilter::apply(const Resources::DeviceRule& rule) {
  // "a" resets everything, whatever else it says (Documentation/admin-guide/cgroup-v1/devices.rst).
  if (rule.type == 'a') {
    allows_by_default_ = rule.allow;
    exceptions_.clear();
    order_.clear();
    return;
  }
  if (rule.allow == allows_by_default_) {
    remove(key_of(rule), access_of(rule.access));
  } else {
    const Key key = key_of(rule);
    if (exceptions_.find(key) == exceptions_.end()) order_.push_back(key);
    exceptions_[key] |= access_of(rule.access);
  }
}

void DeviceFilter::remove(const Key& key, unsigned access) {
  for (const Key& wide :
       {Key{-1, key.minor, key.type}, Key{key.major, -1, key.type}, Key{-1, -1, key.type}}) {
    const auto found = exceptions_.find(wide);
    if (wide == key || found == exceptions_.end() || (found->second & access) == 0) continue;
    fail(Errc::Unsupported,
         "reading the device rule {}: cannot punch hole in existing wildcard rule {}",
         quoted(line_of(key, access)), quoted(line_of(wide, found->second)));
  }
  const auto exact = exceptions_.find(key);
  if (exact == exceptions_.end()) return;
  exact->second &= ~access;
  if (exact->second != 0) return;
  exceptions_.erase(exact);
  std::erase(order_, key);
}

DeviceFilter device_filter(const std::vector<Resources::DeviceRule>& rules) {
  DeviceFilter filter;
  for (const Resources::DeviceRule& rule : rules) {
    check_rule(rule);
    filter.apply(rule);
  }
  for (const auto& [key, access] : kUsualRules)
    filter.apply({true, key.type, key.major, key.minor, access_text(access)});
  return filter;
}

std::vector<DeviceWrite> device_writes(const DeviceFilter& now, const DeviceFilter& wanted) {
  std::vector<DeviceWrite> writes;
  const bool allow = wanted.allows_by_default();
  DeviceFilter::Exceptions old = now.exceptions();
  if (now.allows_by_default() || allow != now.allows_by_default()) {
    writes.push_back({allow, "a"});
    old.clear();
  }
  for (const auto& [key, access] : old) {
    const auto kept = wanted.exceptions().find(key);
    const unsigned gone = access & ~(kept == wanted.exceptions().end() ? 0U : kept->second);
    if (gone != 0) writes.push_back({allow, line_of(key, gone)});
  }
  for (const Key& key : wanted.order()) {
    const unsigned access = wanted.exceptions().at(key);
    const auto had = old.find(key);
    const unsigned added = access & ~(had == old.end() ? 0U : had->second);
    if (added != 0) writes.push_back({!allow, line_of(key, added)});
  }
  return writes;
}

DeviceFilter parse_device_list(std::string_view text) {
  DeviceFilter filter;
  for (const std::string_view line : split(text, '\n')) {
    if (const auto rule = parse_line(line)) filter.apply(*rule);
  }
  return filter;
}

namespace {

/// devices.allow and devices.deny, each opened at its first use: the rules are many.
class DeviceFiles {
 public:
  explicit DeviceFiles(int directory) : directory_(directory) {}

  /// 0 or the errno.
  int write(bool allow, const std::string& line) {
    Fd& file = allow ? allow_ : deny_;
    if (!file) {
      const char* const name = allow ? "devices.allow" : "devices.deny";
      file = Fd(::openat(directory_, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
      if (!file) return errno;
    }
    return ::write(file.get(), line.data(), line.size()) < 0 ? errno : 0;
  }

 private:
  int directory_;
  Fd allow_;
  Fd deny_;
};

}  // namespace

int filter_devices_v1(int directory, const DeviceFilter& filter, const FilterMode& mode) {
  // What a new one has of its parent is either everything, or not to be had more of.
  if (mode.is_new && filter.allows_everything()) return 0;
  DeviceFilter now;
  if (mode.is_new) {
    now.apply({true, 'a', {}, {}, "rwm"});
  } else {
    const auto list = read_control(directory, "devices.list");
    if (!list) return ENOENT;
    now = parse_device_list(*list);
  }
  DeviceFiles files(directory);
  for (const auto& [allow, line] : device_writes(now, filter)) {
    if (mode.is_new && allow && line == "a") continue;
    const int error = files.write(allow, line);
    if (error == EPERM && allow && mode.may_allow_less) continue;
    if (error != 0) return error;
  }
  return 0;
}

bool can_go_unfiltered(const std::vector<Resources::DeviceRule>& rules, int error) {
  constexpr std::array<int, 8> kRefusals = {EPERM,  EACCES, EROFS,      ENOENT,
                                            EINVAL, ENOSYS, EOPNOTSUPP, EBADF};
  if (std::find(kRefusals.begin(), kRefusals.end(), error) == kRefusals.end()) return false;
  const bool is_all_allowed =
      std::all_of(rules.begin(), rules.end(), [](const Resources::DeviceRule& rule) {
        return rule.allow && access_of(rule.access) == kAnyAccess;
      });
  if (is_all_allowed || device_filter(rules) == device_filter({})) return true;
  // The initial user namespace maps every id.
  const auto map = read_control(AT_FDCWD, "/proc/self/uid_map");
  return map && !has_word(*map, "4294967295");
}

}  // namespace layerkit::runner
