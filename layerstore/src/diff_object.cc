#include "diff_object.h"

#include <fcntl.h>

#include <utility>

#include "aufs_object.h"
#include "file_contents.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "overlay_object.h"
#include "overlay_xattrs.h"

namespace layerkit {
namespace {

DiffNames read_overlay_names(int dir_fd, OverlayXattrs space) {
  DiffNames names;
  for_each_in_dir(dir_fd, [&](std::string_view name) {
    if (is_overlay_whiteout_at(dir_fd, std::string(name), space)) {
      names.hidden.add(name);
    } else {
      (name.starts_with(kWhiteoutPrefix) ? names.reserved : names.objects).add(name);
    }
    return true;
  });
  for (NameList* list : {&names.objects, &names.hidden, &names.reserved})
    list->sort();
  return names;
}

}  // namespace

std::optional<DiffObject> read_diff_object(int dir_fd,
                                           const std::string& name,
                                           const RelPath& path,
                                           DiffFormat format,
                                           OverlayNotes* notes) {
  if (format.is_aufs()) return read_aufs_object(dir_fd, name, path);
  return read_overlay_object(dir_fd, name, path, format.overlay_xattrs(), notes);
}

DiffObject read_diff_root(int root_fd, DiffFormat format) {
  auto object = read_diff_object(root_fd, ".", RelPath(), format);
  if (!object) fail(Errc::NotFound, "reading the diff directory");
  if (!format.is_aufs()) object->entry.hides = Hides::Nothing;
  return std::move(*object);
}

DiffNames read_diff_names(int dir_fd, const RelPath& path, DiffFormat format) {
  if (format.is_aufs()) return read_aufs_names(dir_fd, path);
  return read_overlay_names(dir_fd, format.overlay_xattrs());
}

std::vector<std::string> list_diff_names(int dir_fd, DiffFormat format) {
  if (format.is_aufs()) return list_aufs_names(dir_fd);
  std::vector<std::string> names;
  for (DirEntry& entry : list_dir(dir_fd))
    names.push_back(std::move(entry.name));
  return names;
}

bool is_whiteout_at(int dir_fd, const std::string& name, DiffFormat format) {
  if (format.is_aufs()) return is_aufs_whiteout_at(dir_fd, name);
  return is_overlay_whiteout_at(dir_fd, name, format.overlay_xattrs());
}

bool is_opaque_dir(int dir_fd, DiffFormat format) {
  if (format.is_aufs()) return is_aufs_opaque_dir(dir_fd);
  return read_xattr_at(dir_fd, ".", private_overlay_xattr(format.overlay_xattrs(), "opaque")) ==
         "y";
}

bool is_reserved_name(std::string_view name, DiffFormat format) noexcept {
  return format.is_aufs() && name.starts_with(kWhiteoutPrefix);
}

std::string stored_xattr_name(const std::string& name, DiffFormat format) {
  return format.is_aufs() ? name : store_overlay_xattr(format.overlay_xattrs(), name);
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
                                          const RelPath& path,
                                          std::optional<std::uint64_t> size) {
  Fd file = open_at(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  const FileStat stat = stat_fd(file.get());
  if (stat.type != FileType::Regular) {
    fail(Errc::NotFound, "reading {}: it is not a regular file", quoted(path.absolute()));
  }
  return std::make_unique<FileContents>(std::move(file), size.value_or(stat.size), path.absolute());
}

std::optional<FileIdentity> identity_at(const LayerTree& layer, int dir_fd, const RelPath& path) {
  const auto stat = stat_at(dir_fd, std::string(path.name()));
  if (!stat) fail(Errc::NotFound, "reading {}: no such file", quoted(path.absolute()));
  if (stat->nlink < 2) return std::nullopt;
  return FileIdentity{&layer, stat->ino, stat->nlink};
}

Entry entry_of_stat(const FileStat& stat, const RelPath& path) {
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

}  // namespace layerkit
