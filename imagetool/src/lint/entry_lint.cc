#include "lint/entry_lint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "layerkit/base/text.h"
#include "layerkit/base/whiteout.h"
#include "layerkit/imagetool/tree_path.h"
#include "lint/lint_rules.h"

namespace layerkit::lint {
namespace {

/// What the usual ranges of rootless containers have.
constexpr std::uint32_t kMaxUsualId = 65'535;
constexpr std::uint32_t kMaxSignedId = 2'147'483'647;
/// The last second that eleven octal digits hold, which is all that a ustar header has.
constexpr std::int64_t kMaxHeaderTime = 077'777'777'777;

bool is_utf8(const std::string& text) {
  try {
    static_cast<void>(nlohmann::json(text).dump());
    return true;
  } catch (const nlohmann::json::type_error&) {
    return false;
  }
}

bool has_control(const std::string& text) {
  return std::ranges::any_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

void lint_name(const Entry& entry, Report& report) {
  const std::string path = entry.path.absolute();
  if (!is_utf8(path)) {
    report.add(rule("name-not-utf8"), path, fmt::format("{} is not UTF-8", quoted(path)));
  }
  if (has_control(path)) {
    report.add(rule("name-control"), path, fmt::format("{} has control characters", quoted(path)));
  }
}

/// `what`: "is written" or "links to".
void lint_spelling(const std::string& path,
                   const char* what,
                   const std::string& spelled,
                   Report& report) {
  const auto found = [&] { return fmt::format("{} {} {}", quoted(path), what, quoted(spelled)); };
  if (spelled.starts_with('/')) report.add(rule("name-absolute"), path, found());
  if (std::ranges::count(split(spelled, '/'), std::string_view("..")) > 0) {
    report.add(rule("name-dot-dot"), path, found());
  }
}

void lint_owner(const Entry& entry, Report& report) {
  const std::uint32_t highest = std::max(entry.uid, entry.gid);
  if (highest <= kMaxUsualId) return;
  const std::string path = entry.path.absolute();
  const LintRule& broken = highest > kMaxSignedId ? rule("owner-overflow") : rule("odd-owner");
  report.add(broken, path, fmt::format("{} is owned by {}:{}", quoted(path), entry.uid, entry.gid));
}

void lint_time(const Entry& entry, Report& report) {
  if (entry.mtime.seconds >= 0 && entry.mtime.seconds <= kMaxHeaderTime) return;
  const std::string path = entry.path.absolute();
  report.add(
      rule("odd-time"), path,
      fmt::format("{} has the time {} (seconds since 1970)", quoted(path), entry.mtime.seconds));
}

void lint_xattrs(const Entry& entry, Report& report) {
  const std::string path = entry.path.absolute();
  const bool keeps_user_xattrs =
      entry.type == FileType::Regular || entry.type == FileType::Directory;
  for (const auto& [name, value] : entry.xattrs) {
    if (name.starts_with(overlay_xattr_prefix(OverlayXattrs::Trusted)) ||
        name.starts_with(overlay_xattr_prefix(OverlayXattrs::User))) {
      report.add(rule("overlay-xattr"), path,
                 fmt::format("{} has the attribute {}", quoted(path), quoted(name)));
    } else if (name == "security.capability") {
      report.add(rule("capabilities"), path, fmt::format("{} has capabilities", quoted(path)));
    } else if (name.starts_with("user.") && !keeps_user_xattrs) {
      report.add(rule("lost-xattr"), path,
                 fmt::format("{} is a {} and has the attribute {}", quoted(path),
                             type_text(entry.type), quoted(name)));
    }
  }
}

/// Whether the target climbs above the root, without any symlink on its way.
bool leaves_root(const Entry& entry) {
  std::size_t depth =
      entry.symlink_target.starts_with('/') ? 0 : entry.path.components().size() - 1;
  for (const std::string_view name : split(entry.symlink_target, '/')) {
    if (name == ".." && depth == 0) return true;
    if (name == "..") --depth;
    if (!name.empty() && name != "." && name != "..") ++depth;
  }
  return false;
}

void lint_kind(const Entry& entry, Report& report) {
  constexpr std::uint32_t kSetId = 06000;
  const std::string path = entry.path.absolute();
  if (entry.type == FileType::Regular && !entry.hard_link_target && (entry.mode & kSetId) != 0) {
    report.add(rule("setuid"), path,
               fmt::format("{} has mode {:04o} and owner {}:{}", quoted(path), entry.mode,
                           entry.uid, entry.gid));
  }
  if (entry.type == FileType::CharDevice || entry.type == FileType::BlockDevice) {
    report.add(rule("device"), path,
               fmt::format("{} is the {} {}, {}", quoted(path), type_text(entry.type),
                           entry.device_major, entry.device_minor));
  }
  if (entry.type == FileType::Symlink && leaves_root(entry)) {
    report.add(rule("link-leaves-root"), path,
               fmt::format("{} leads to {}", quoted(path), quoted(entry.symlink_target)));
  }
}

}  // namespace

bool is_aufs_metadata(const RelPath& path) {
  return std::ranges::any_of(path.components(), [](std::string_view name) {
    return name.starts_with(kAufsMetadataPrefix) && name != kOpaqueName;
  });
}

void lint_entry(const Entry& entry, const TarNames& names, Report& report) {
  const std::string path = entry.path.absolute();
  if (is_aufs_metadata(entry.path)) {
    report.add(rule("aufs-metadata"), path, fmt::format("{} is a file of AUFS", quoted(path)));
    return;
  }
  lint_name(entry, report);
  lint_spelling(path, "is written", names.name, report);
  if (entry.hard_link_target) lint_spelling(path, "links to", names.link_name, report);
  if (entry.path.name().starts_with(kWhiteoutPrefix)) {
    if (entry.type == FileType::Regular && entry.size == 0 && !entry.hard_link_target) return;
    report.add(rule("odd-whiteout"), path,
               entry.type == FileType::Regular
                   ? fmt::format("{} is a whiteout with contents", quoted(path))
                   : fmt::format("{} is a whiteout and a {}", quoted(path), type_text(entry.type)));
    return;
  }
  lint_owner(entry, report);
  lint_time(entry, report);
  lint_xattrs(entry, report);
  lint_kind(entry, report);
}

}  // namespace layerkit::lint
