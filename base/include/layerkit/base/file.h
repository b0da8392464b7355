#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layerkit/base/entry.h"
#include "layerkit/base/fd.h"

namespace layerkit {

// File-system calls relative to a directory descriptor. `dir_fd` may be AT_FDCWD where `name` is a
// path the user gave. None follows a symlink in the last component unless it says so; `name` must
// not contain '/' where the directory is not trusted (RootDir is for that). All throw Error whose
// message quotes `name`; errno is captured first.

struct FileStat {
  FileType type = FileType::Regular;
  std::uint32_t mode = 0;  ///< 07777
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t size = 0;
  std::uint64_t blocks = 0;  ///< 512-byte units
  Timestamp mtime;
  std::uint64_t nlink = 0;
  std::uint32_t device_major = 0;  ///< of a device node
  std::uint32_t device_minor = 0;
  std::uint64_t dev = 0;  ///< of the file system
  std::uint64_t ino = 0;
};

Fd open_at(int dir_fd, const std::string& name, int flags, mode_t mode = 0);
/// nullopt when the name does not exist.
std::optional<Fd> open_at_if_exists(int dir_fd, const std::string& name, int flags);
/// An existing directory (O_DIRECTORY | O_NOFOLLOW), readable.
Fd open_dir_at(int dir_fd, const std::string& name);

/// nullopt when the name does not exist.
std::optional<FileStat> stat_at(int dir_fd, const std::string& name);
FileStat stat_fd(int fd);

void make_dir_at(int dir_fd, const std::string& name, mode_t mode);
/// mkdir -p for a path the user gave; existing directories are left as they are.
void make_dirs(const std::string& path, mode_t mode);
void make_symlink_at(const std::string& target, int dir_fd, const std::string& name);
std::string read_link_at(int dir_fd, const std::string& name);
void rename_at(int old_dir, const std::string& old_name, int new_dir, const std::string& new_name);
/// Fails with Errc::Exists when `new_name` exists.
void rename_noreplace_at(int old_dir,
                         const std::string& old_name,
                         int new_dir,
                         const std::string& new_name);
/// `flags`: 0 or AT_REMOVEDIR. False when the name does not exist.
bool unlink_at(int dir_fd, const std::string& name, int flags = 0);
/// rm -rf without following symlinks or crossing into mounts, any depth and any number of names,
/// in bounded memory and with few descriptors.
/// An absent name is no error.
void remove_tree_at(int dir_fd, const std::string& name);

struct DirEntry {
  std::string name;
  std::uint64_t ino = 0;
};
/// Calls `use` for all entries but "." and "..", in the file system's order and one at a time, so
/// that a directory of a million names costs no memory. `use` returns false to stop.
void for_each_in_dir(int dir_fd, const std::function<bool(std::string_view name)>& use);
/// All entries but "." and "..", sorted bytewise.
std::vector<DirEntry> list_dir(int dir_fd);

/// Whole content; Error{Limit} when larger than `max_bytes`. Opens O_NOFOLLOW | O_NONBLOCK and
/// refuses what is not a regular file.
std::string read_file_at(int dir_fd, const std::string& name, std::size_t max_bytes);
/// Creates or truncates; not durable.
void write_file_at(int dir_fd, const std::string& name, std::string_view contents, mode_t mode);
/// Temporary file + fsync + rename + fsync of the directory: readers see the old or the new bytes.
void replace_file_at(int dir_fd, const std::string& name, std::string_view contents, mode_t mode);

void write_all(int fd, std::string_view bytes, std::string_view name);
void sync_fd(int fd, std::string_view name);
/// syncfs(2) of the file system that holds `fd`.
void sync_filesystem(int fd);

/// All xattrs of the object, symlinks not followed. Empty where the file system has none.
Xattrs read_xattrs_at(int dir_fd, const std::string& name);
std::optional<std::string> read_xattr_at(int dir_fd,
                                         const std::string& name,
                                         const std::string& key);
void set_xattr_at(int dir_fd,
                  const std::string& name,
                  const std::string& key,
                  std::string_view value);

enum class LockKind { Shared, Exclusive };
/// An flock(2) on its own descriptor: released when destroyed, or by the kernel when the process
/// dies. Not inherited across exec.
class FileLock {
 public:
  /// Waits for the lock. Creates the file (0600) when absent.
  FileLock(int dir_fd, const std::string& name, LockKind kind);
  /// Takes the lock on an open file or directory, or gives nullopt when somebody else holds it.
  static std::optional<FileLock> try_lock(Fd fd, LockKind kind);

 private:
  explicit FileLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace layerkit
