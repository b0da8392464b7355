#include "overlay_object.h"

#include <fcntl.h>

#include <utility>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "overlay_xattrs.h"

namespace layerkit {
namespace {

class FileSource final : public ByteSource {
 public:
  FileSource(Fd file, std::string name)
      : file_(std::move(file)), source_(file_.get(), std::move(name)) {}
  std::size_t read(std::span<std::byte> buffer) override { return source_.read(buffer); }

 private:
  Fd file_;
  FdSource source_;
};

Entry entry_of(const FileStat& stat, const RelPath& path) {
  Entry entry;
  entry.path = path;
  entry.type = stat.type;
  // Linux shows 0777 for every symlink; as for a device's number, other types have none.
  entry.mode = stat.mode;
  entry.uid = stat.uid;
  entry.gid = stat.gid;
  entry.size = stat.type == FileType::Regular ? stat.size : 0;
  entry.mtime = stat.mtime;
  if (stat.type == FileType::CharDevice || stat.type == FileType::BlockDevice) {
    entry.device_major = stat.device_major;
    entry.device_minor = stat.device_minor;
  }
  return entry;
}

Entry whiteout_of(const RelPath& path) {
  Entry entry;
  entry.path = path;
  entry.hides = Hides::Path;
  return entry;
}

/// A whiteout without a device node: an empty file with an xattr, in a directory that says so.
bool is_xattr_whiteout(int dir_fd, const FileStat& stat, OverlayXattrs space) {
  if (stat.type != FileType::Regular || stat.size != 0) return false;
  return read_xattr_at(dir_fd, ".", private_overlay_xattr(space, "opaque")) == "x";
}

/// Sorts the stored xattrs into the entry's and overlayfs's own, which become `hides`.
void decode_xattrs(
    const Xattrs& stored, int dir_fd, const FileStat& stat, OverlayXattrs space, Entry& to) {
  for (const auto& [key, value] : stored) {
    OverlayXattr meaning = read_overlay_xattr(space, key);
    if (!meaning.is_private) {
      to.xattrs.emplace(std::move(meaning.name), value);
    } else if (meaning.name == "opaque" && value == "y" && to.is_directory()) {
      to.hides = Hides::Below;
    } else if (meaning.name == "whiteout" && is_xattr_whiteout(dir_fd, stat, space)) {
      to = whiteout_of(to.path);
      return;
    } else if (meaning.name == "redirect" || meaning.name == "metacopy") {
      fail(Errc::Unsupported, "reading {}: overlay {} is not supported", quoted(to.path.absolute()),
           meaning.name);
    }
  }
}

}  // namespace

std::optional<OverlayObject> read_overlay_object(int dir_fd,
                                                 const std::string& name,
                                                 const RelPath& path,
                                                 OverlayXattrs space) {
  const auto stat = stat_at(dir_fd, name);
  if (!stat) return std::nullopt;
  if (is_overlay_whiteout(stat->type, stat->device_major, stat->device_minor)) {
    return OverlayObject{whiteout_of(path), *stat};
  }
  Entry entry = entry_of(*stat, path);
  if (stat->type == FileType::Symlink) entry.symlink_target = read_link_at(dir_fd, name);
  decode_xattrs(read_xattrs_at(dir_fd, name), dir_fd, *stat, space, entry);
  return OverlayObject{std::move(entry), *stat};
}

bool is_whiteout_at(int dir_fd, const std::string& name, OverlayXattrs space) {
  const auto stat = stat_at(dir_fd, name);
  if (!stat) return false;
  if (is_overlay_whiteout(stat->type, stat->device_major, stat->device_minor)) return true;
  if (stat->type != FileType::Regular || stat->size != 0) return false;
  return read_xattr_at(dir_fd, name, private_overlay_xattr(space, "whiteout")) &&
         is_xattr_whiteout(dir_fd, *stat, space);
}

OverlayObject read_overlay_root(int root_fd, OverlayXattrs space) {
  auto object = read_overlay_object(root_fd, ".", RelPath(), space);
  if (!object) fail(Errc::NotFound, "reading the diff directory");
  object->entry.hides = Hides::Nothing;
  return std::move(*object);
}

std::optional<Fd> open_literal_dir(const RootDir& root, const RelPath& path, int flags) {
  try {
    return root.open_if_exists(path, flags | O_DIRECTORY, Follow::No);
  } catch (const Error& error) {
    // Literal paths: behind a symlink there is nothing.
    if (error.sys_errno() == ELOOP) return std::nullopt;
    throw;
  }
}

std::unique_ptr<ByteSource> open_contents(int dir_fd,
                                          const std::string& name,
                                          const RelPath& path) {
  Fd file = open_at(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (stat_fd(file.get()).type != FileType::Regular) {
    fail(Errc::NotFound, "reading {}: it is not a regular file", quoted(path.absolute()));
  }
  return std::make_unique<FileSource>(std::move(file), path.absolute());
}

}  // namespace layerkit
