#include "layerkit/imagetool/user_lookup.h"

#include <algorithm>
#include <optional>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

/// Larger than any real file, small enough to be read at every start.
constexpr std::size_t kMaxFileBytes = 4 << 20;
/// NGROUPS_MAX of Linux: setgroups(2) takes no more.
constexpr std::size_t kMaxGroups = 65536;

/// An id as chown(2) takes it: -1 means "leave alone" there and is nobody's id.
std::optional<std::uint32_t> parse_id(std::string_view text) {
  const auto number = parse_decimal(text);
  if (!number || *number > 0xFFFFFFFE) return std::nullopt;
  return static_cast<std::uint32_t>(*number);
}

struct PasswdEntry {
  std::string_view name;
  std::uint32_t uid;
  std::uint32_t gid;
  std::string_view home;
};

std::optional<PasswdEntry> parse_passwd_line(std::string_view line) {
  const auto fields = split(line, ':');
  if (fields.size() != 7 || fields[0].empty()) return std::nullopt;
  const auto uid = parse_id(fields[2]);
  const auto gid = parse_id(fields[3]);
  if (!uid || !gid) return std::nullopt;
  return PasswdEntry{fields[0], *uid, *gid, fields[5]};
}

struct GroupEntry {
  std::string_view name;
  std::uint32_t gid;
  std::string_view members;
};

std::optional<GroupEntry> parse_group_line(std::string_view line) {
  const auto fields = split(line, ':');
  if (fields.size() != 4 || fields[0].empty()) return std::nullopt;
  const auto gid = parse_id(fields[2]);
  if (!gid) return std::nullopt;
  return GroupEntry{fields[0], *gid, fields[3]};
}

/// Calls `visit` with each line without its newline until it returns true.
template <typename Visit>
void for_each_line(std::string_view text, Visit&& visit) {
  while (!text.empty()) {
    const auto end = text.find('\n');
    if (visit(text.substr(0, end)) || end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

std::optional<PasswdEntry> find_passwd(std::string_view passwd, std::string_view user) {
  const auto id = parse_id(user);
  std::optional<PasswdEntry> found;
  for_each_line(passwd, [&](std::string_view line) {
    const auto entry = parse_passwd_line(line);
    if (entry && (entry->name == user || (id && entry->uid == *id))) found = entry;
    return found.has_value();
  });
  return found;
}

std::optional<GroupEntry> find_group(std::string_view group, std::string_view wanted) {
  const auto id = parse_id(wanted);
  std::optional<GroupEntry> found;
  for_each_line(group, [&](std::string_view line) {
    const auto entry = parse_group_line(line);
    if (entry && (entry->name == wanted || (id && entry->gid == *id))) found = entry;
    return found.has_value();
  });
  return found;
}

bool lists_member(std::string_view members, std::string_view user) {
  const auto names = split(members, ',');
  return std::find(names.begin(), names.end(), user) != names.end();
}

std::vector<std::uint32_t> groups_of(std::string_view group, std::string_view user) {
  std::vector<std::uint32_t> gids;
  for_each_line(group, [&](std::string_view line) {
    const auto entry = parse_group_line(line);
    if (entry && lists_member(entry->members, user)) gids.push_back(entry->gid);
    return gids.size() >= kMaxGroups;
  });
  return gids;
}

std::uint32_t resolve_group(std::string_view group, std::string_view wanted) {
  if (const auto entry = find_group(group, wanted)) return entry->gid;
  if (const auto id = parse_id(wanted)) return *id;
  fail(Errc::NotFound, "unable to find group {}: no matching entries in group file",
       quoted(wanted));
}

std::string read_database(const RootDir& rootfs, std::string_view path) {
  // A symlink is followed inside the root only; what it ends at must be a regular file.
  return rootfs.read_file(RelPath::parse(path), kMaxFileBytes, Follow::InRoot).value_or("");
}

}  // namespace

ContainerUser find_user(std::string_view passwd, std::string_view group, std::string_view spec) {
  const auto colon = spec.find(':');
  const auto user_part = spec.substr(0, colon);
  const bool has_group = colon != std::string_view::npos && colon + 1 < spec.size();
  const auto group_part = has_group ? spec.substr(colon + 1) : std::string_view();
  if (group_part.find(':') != std::string_view::npos) {
    fail(Errc::Invalid, "invalid user specification: {}", quoted(spec));
  }
  ContainerUser result;
  const auto wanted = user_part.empty() ? std::string_view("0") : user_part;
  if (const auto entry = find_passwd(passwd, wanted)) {
    result.uid = entry->uid;
    result.gid = entry->gid;
    if (!entry->home.empty()) result.home = std::string(entry->home);
    if (!has_group) result.additional_gids = groups_of(group, entry->name);
  } else if (const auto id = parse_id(wanted)) {
    result.uid = *id;
  } else {
    fail(Errc::NotFound, "unable to find user {}: no matching entries in passwd file",
         quoted(user_part));
  }
  if (has_group) result.gid = resolve_group(group, group_part);
  return result;
}

ContainerUser find_user(const RootDir& rootfs, std::string_view spec) {
  return with_context([&] { return "looking up user " + quoted(spec); },
                      [&] {
                        return find_user(read_database(rootfs, "etc/passwd"),
                                         read_database(rootfs, "etc/group"), spec);
                      });
}

std::uint32_t find_group(const RootDir& rootfs, std::string_view group) {
  return with_context([&] { return "looking up group " + quoted(group); },
                      [&] { return resolve_group(read_database(rootfs, "etc/group"), group); });
}

}  // namespace layerkit
