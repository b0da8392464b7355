#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

FileType type_of(unsigned mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return FileType::Directory;
    case S_IFLNK:
      return FileType::Symlink;
    case S_IFCHR:
      return FileType::CharDevice;
    case S_IFBLK:
      return FileType::BlockDevice;
    case S_IFIFO:
      return FileType::Fifo;
    case S_IFSOCK:
      return FileType::Socket;
    default:
      return FileType::Regular;
  }
}

FileStat from_statx(const struct statx& raw) {
  FileStat stat;
  stat.type = type_of(raw.stx_mode);
  stat.mode = raw.stx_mode & 07777U;
  stat.uid = raw.stx_uid;
  stat.gid = raw.stx_gid;
  stat.size = raw.stx_size;
  stat.blocks = raw.stx_blocks;
  stat.mtime = {raw.stx_mtime.tv_sec, raw.stx_mtime.tv_nsec};
  stat.nlink = raw.stx_nlink;
  stat.device_major = raw.stx_rdev_major;
  stat.device_minor = raw.stx_rdev_minor;
  stat.dev = makedev(raw.stx_dev_major, raw.stx_dev_minor);
  stat.ino = raw.stx_ino;
  return stat;
}

}  // namespace

namespace {

/// Unset and errno on failure.
Fd open_uninterrupted(int dir_fd, const std::string& name, int flags, mode_t mode) {
  for (;;) {
    Fd fd(::openat(dir_fd, name.c_str(), flags | O_CLOEXEC, mode));
    if (fd || errno != EINTR) return fd;
  }
}

}  // namespace

Fd open_at(int dir_fd, const std::string& name, int flags, mode_t mode) {
  Fd fd = open_uninterrupted(dir_fd, name, flags, mode);
  if (!fd) fail_errno(errno, "opening {}", quoted(name));
  return fd;
}

std::optional<Fd> open_at_if_exists(int dir_fd, const std::string& name, int flags) {
  Fd fd = open_uninterrupted(dir_fd, name, flags, 0);
  if (fd) return fd;
  const int err = errno;
  if (err == ENOENT) return std::nullopt;
  fail_errno(err, "opening {}", quoted(name));
}

Fd open_dir_at(int dir_fd, const std::string& name) {
  return open_at(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

std::optional<FileStat> stat_at(int dir_fd, const std::string& name) {
  struct statx raw {};
  constexpr int kFlags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
  if (::statx(dir_fd, name.c_str(), kFlags, STATX_BASIC_STATS, &raw) != 0) {
    const int err = errno;
    if (err == ENOENT) return std::nullopt;
    fail_errno(err, "reading the attributes of {}", quoted(name));
  }
  return from_statx(raw);
}

FileStat stat_fd(int fd) {
  struct statx raw {};
  if (::statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_BASIC_STATS, &raw) != 0) {
    const int err = errno;
    fail_errno(err, "reading the attributes of an open file");
  }
  return from_statx(raw);
}

void make_dir_at(int dir_fd, const std::string& name, mode_t mode) {
  if (::mkdirat(dir_fd, name.c_str(), mode) != 0) {
    const int err = errno;
    fail_errno(err, "creating directory {}", quoted(name));
  }
}

void make_dirs(const std::string& path, mode_t mode) {
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string prefix = path.substr(0, end);
    if (::mkdir(prefix.c_str(), mode) != 0 && errno != EEXIST) {
      const int err = errno;
      fail_errno(err, "creating directory {}", quoted(prefix));
    }
    if (end == std::string::npos) break;
  }
  open_at(AT_FDCWD, path, O_PATH | O_DIRECTORY);
}

void make_symlink_at(const std::string& target, int dir_fd, const std::string& name) {
  if (::symlinkat(target.c_str(), dir_fd, name.c_str()) != 0) {
    const int err = errno;
    fail_errno(err, "creating symlink {}", quoted(name));
  }
}

std::string read_link_at(int dir_fd, const std::string& name) {
  std::string target(256, '\0');
  for (;;) {
    const ssize_t got = ::readlinkat(dir_fd, name.c_str(), target.data(), target.size());
    const int err = errno;
    if (got < 0) fail_errno(err, "reading symlink {}", quoted(name));
    if (static_cast<std::size_t>(got) < target.size()) {
      target.resize(static_cast<std::size_t>(got));
      return target;
    }
    target.resize(target.size() * 2);
  }
}

void rename_at(int old_dir, const std::string& old_name, int new_dir, const std::string& new_name) {
  if (::renameat(old_dir, old_name.c_str(), new_dir, new_name.c_str()) != 0) {
    const int err = errno;
    fail_errno(err, "renaming {} to {}", quoted(old_name), quoted(new_name));
  }
}

void rename_noreplace_at(int old_dir,
                         const std::string& old_name,
                         int new_dir,
                         const std::string& new_name) {
  if (::renameat2(old_dir, old_name.c_str(), new_dir, new_name.c_str(), RENAME_NOREPLACE) != 0) {
    const int err = errno;
    fail_errno(err, "renaming {} to {}", quoted(old_name), quoted(new_name));
  }
}

bool unlink_at(int dir_fd, const std::string& name, int flags) {
  if (::unlinkat(dir_fd, name.c_str(), flags) == 0) return true;
  const int err = errno;
  if (err == ENOENT) return false;
  fail_errno(err, "removing {}", quoted(name));
}

namespace {

void for_each_dirent(int dir_fd, const std::function<bool(const dirent&)>& use) {
  // A descriptor of its own: fdopendir takes it over, and the offset starts at the front.
  Fd copy = open_at(dir_fd, ".", O_RDONLY | O_DIRECTORY);
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(copy.get()), ::closedir);
  if (!dir) fail_errno(errno, "listing a directory");
  static_cast<void>(copy.release());
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(dir.get());  // NOLINT(concurrency-mt-unsafe): own DIR
    const int err = errno;
    if (entry == nullptr) {
      if (err != 0) fail_errno(err, "listing a directory");
      return;
    }
    const std::string_view name(static_cast<const char*>(entry->d_name));
    if (name != "." && name != ".." && !use(*entry)) return;
  }
}

}  // namespace

void for_each_in_dir(int dir_fd, const std::function<bool(std::string_view name)>& use) {
  for_each_dirent(
      dir_fd, [&use](const dirent& entry) { return use(static_cast<const char*>(entry.d_name)); });
}

std::vector<DirEntry> list_dir(int dir_fd) {
  std::vector<DirEntry> entries;
  for_each_dirent(dir_fd, [&entries](const dirent& entry) {
    entries.push_back({static_cast<const char*>(entry.d_name), entry.d_ino});
    return true;
  });
  std::sort(entries.begin(), entries.end(),
            [](const DirEntry& a, const DirEntry& b) { return a.name < b.name; });
  return entries;
}

std::string read_file_at(int dir_fd, const std::string& name, std::size_t max_bytes) {
  const Fd file = open_at(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (stat_fd(file.get()).type != FileType::Regular) {
    fail(Errc::Invalid, "reading {}: it is not a regular file", quoted(name));
  }
  FdSource source(file.get(), name);
  return read_all(source, max_bytes, name);
}

void write_file_at(int dir_fd, const std::string& name, std::string_view contents, mode_t mode) {
  const Fd file = open_at(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode);
  write_all(file.get(), contents, name);
}

void replace_file_at(int dir_fd, const std::string& name, std::string_view contents, mode_t mode) {
  const std::string temporary = fmt::format(".{}.{}", name, random_hex(12));
  try {
    {
      const Fd file = open_at(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL, mode);
      write_all(file.get(), contents, name);
      sync_fd(file.get(), name);
    }
    rename_at(dir_fd, temporary, dir_fd, name);
  } catch (...) {
    ::unlinkat(dir_fd, temporary.c_str(), 0);
    throw;
  }
  sync_fd(open_at(dir_fd, ".", O_RDONLY | O_DIRECTORY).get(), name);
}

void write_all(int fd, std::string_view bytes, std::string_view name) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    const int err = errno;
    if (written >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
    } else if (err != EINTR) {
      fail_errno(err, "writing {}", quoted(name));
    }
  }
}

void sync_fd(int fd, std::string_view name) {
  if (::fsync(fd) != 0) {
    const int err = errno;
    fail_errno(err, "syncing {}", quoted(name));
  }
}

void sync_filesystem(int fd) {
  if (::syncfs(fd) != 0) {
    const int err = errno;
    fail_errno(err, "syncing the file system");
  }
}

}  // namespace layerkit
