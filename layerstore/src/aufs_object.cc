#include "aufs_object.h"

#include <fcntl.h>

#include <algorithm>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

/// Longer than this, a name has no room for the prefix: nothing can hide it, and nothing does.
constexpr std::size_t kMaxHiddenName = 255 - kWhiteoutPrefix.size();

/// Without a thought about the object itself. A whiteout's other attributes say nothing; all of a
/// branch may be links of one inode.
bool has_marker(int dir_fd, const std::string& marker) {
  const auto stat = stat_at(dir_fd, marker);
  if (!stat) return false;
  if (stat->type != FileType::Regular) {
    fail(Errc::Invalid, "reading {}: a whiteout of AUFS is a regular file", quoted(marker));
  }
  return true;
}

[[noreturn]] void fail_contradiction(const RelPath& path) {
  fail(Errc::Invalid, "reading {}: the layer has it and hides it, too", quoted(path.absolute()));
}

}  // namespace

std::optional<DiffObject> read_aufs_object(int dir_fd,
                                           const std::string& name,
                                           const RelPath& path) {
  if (name.starts_with(kWhiteoutPrefix)) return std::nullopt;
  const auto stat = stat_at(dir_fd, name);
  if (is_aufs_whiteout_at(dir_fd, name)) {
    if (stat) fail_contradiction(path);
    return DiffObject{whiteout_of(path), {}};
  }
  if (!stat) return std::nullopt;
  Entry entry = entry_of_stat(*stat, path);
  if (stat->type == FileType::Symlink) entry.symlink_target = read_link_at(dir_fd, name);
  entry.xattrs = read_xattrs_at(dir_fd, name);
  if (entry.is_directory()) {
    const Fd dir = open_at(dir_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (is_aufs_opaque_dir(dir.get())) entry.hides = Hides::Below;
  }
  return DiffObject{std::move(entry), *stat};
}

DiffNames read_aufs_names(int dir_fd, const RelPath& path) {
  DiffNames names;
  for_each_in_dir(dir_fd, [&](std::string_view found) {
    const WhiteoutName read = decode_whiteout_name(found);
    if (read.kind == WhiteoutNameKind::Whiteout) {
      has_marker(dir_fd, std::string(found));
      names.hidden.add(read.hidden);
    } else if (read.kind == WhiteoutNameKind::None) {
      names.objects.add(found);
    }
    return true;
  });
  names.objects.sort();
  names.hidden.sort();
  for (std::size_t i = 0; i < names.hidden.size(); ++i) {
    if (names.objects.contains(names.hidden[i])) fail_contradiction(path / names.hidden[i]);
  }
  return names;
}

std::vector<std::string> list_aufs_names(int dir_fd) {
  std::vector<std::string> names;
  for (DirEntry& found : list_dir(dir_fd)) {
    const WhiteoutName read = decode_whiteout_name(found.name);
    if (read.kind == WhiteoutNameKind::Whiteout) names.emplace_back(read.hidden);
    if (read.kind == WhiteoutNameKind::None) names.push_back(std::move(found.name));
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

bool is_aufs_whiteout_at(int dir_fd, const std::string& name) {
  if (name.size() > kMaxHiddenName || name.starts_with(kWhiteoutPrefix)) return false;
  return has_marker(dir_fd, encode_whiteout_name(name));
}

bool is_aufs_opaque_dir(int dir_fd) {
  return has_marker(dir_fd, std::string(kOpaqueName));
}

}  // namespace layerkit
