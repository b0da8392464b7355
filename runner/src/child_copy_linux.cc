#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "child.h"

namespace layerkit::runner {
namespace {

constexpr int kMaxDepth = 64;
constexpr std::size_t kNames = 2048;  ///< bytes of names read at once, on each level

/// As the kernel writes it: getdents(2).
struct RawEntry {
  std::uint64_t inode;
  std::int64_t offset;
  unsigned short size;
  unsigned char type;
  char name[1];  ///< longer
};

int copy_directory(int from, int to, int depth) noexcept;

bool is_dot(const char* name) noexcept {
  return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/// 0 or an errno, here and below.
int result_of(long result) noexcept {
  return result < 0 ? errno : 0;
}

/// The owner first: a change of it takes the set-user-ID bit away.
int copy_owner(int fd, const struct stat& stat) noexcept {
  if (const int error = result_of(::syscall(SYS_fchown, fd, stat.st_uid, stat.st_gid)))
    return error;
  return result_of(::syscall(SYS_fchmod, fd, stat.st_mode & 07777));
}

int copy_times(int to, const char* name, const struct stat& stat) noexcept {
  const timespec times[2] = {stat.st_atim, stat.st_mtim};
  return result_of(::syscall(SYS_utimensat, to, name, times, AT_SYMLINK_NOFOLLOW));
}

int copy_bytes(int from, int to) noexcept {
  constexpr std::size_t kMost = 1U << 30U;
  for (;;) {
    const long sent = ::syscall(SYS_sendfile, to, from, nullptr, kMost);
    if (sent == 0) return 0;
    if (sent < 0 && errno != EINTR) return errno;
  }
}

int copy_file(int from, int to, const char* name, const struct stat& stat) noexcept {
  constexpr int kRead = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  constexpr int kMake = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  const auto source = static_cast<int>(::syscall(SYS_openat, from, name, kRead, 0));
  if (source < 0) return errno;
  const auto target = static_cast<int>(::syscall(SYS_openat, to, name, kMake, 0600));
  int error = result_of(target);
  if (error == 0) {
    error = copy_bytes(source, target);
    if (error == 0) error = copy_owner(target, stat);
    ::syscall(SYS_close, target);
  }
  ::syscall(SYS_close, source);
  return error;
}

int copy_link(int from, int to, const char* name) noexcept {
  char text[4096];
  const long size = ::syscall(SYS_readlinkat, from, name, text, sizeof(text) - 1);
  if (size < 0) return errno;
  text[size] = '\0';
  return result_of(::syscall(SYS_symlinkat, text, to, name));
}

int copy_subdirectory(
    int from, int to, const char* name, const struct stat& stat, int depth) noexcept {
  constexpr int kOpen = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  if (depth >= kMaxDepth) return ELOOP;
  if (::syscall(SYS_mkdirat, to, name, 0700) != 0) return errno;
  const auto source = static_cast<int>(::syscall(SYS_openat, from, name, kOpen, 0));
  if (source < 0) return errno;
  const auto target = static_cast<int>(::syscall(SYS_openat, to, name, kOpen, 0));
  int error = result_of(target);
  if (error == 0) {
    error = copy_directory(source, target, depth + 1);
    if (error == 0) error = copy_owner(target, stat);
    ::syscall(SYS_close, target);
  }
  ::syscall(SYS_close, source);
  return error;
}

int copy_entry(int from, int to, const char* name, int depth) noexcept {
  struct stat stat {};
  if (::fstatat(from, name, &stat, AT_SYMLINK_NOFOLLOW) != 0) return errno;
  int error = 0;
  if (S_ISDIR(stat.st_mode)) {
    error = copy_subdirectory(from, to, name, stat, depth);
  } else if (S_ISREG(stat.st_mode)) {
    error = copy_file(from, to, name, stat);
  } else if (S_ISLNK(stat.st_mode)) {
    error = copy_link(from, to, name);
    if (error == 0)
      error = result_of(
          ::syscall(SYS_fchownat, to, name, stat.st_uid, stat.st_gid, AT_SYMLINK_NOFOLLOW));
  } else {
    error = result_of(
        ::syscall(SYS_mknodat, to, name, stat.st_mode, static_cast<unsigned>(stat.st_rdev)));
    if (error == 0)
      error = result_of(
          ::syscall(SYS_fchownat, to, name, stat.st_uid, stat.st_gid, AT_SYMLINK_NOFOLLOW));
  }
  return error != 0 ? error : copy_times(to, name, stat);
}

int copy_directory(int from, int to, int depth) noexcept {
  alignas(RawEntry) char names[kNames];
  for (;;) {
    const long got = ::syscall(SYS_getdents64, from, names, sizeof(names));
    if (got <= 0) return result_of(got);
    for (long at = 0; at < got;) {
      const auto* entry = reinterpret_cast<const RawEntry*>(names + at);
      at += entry->size;
      if (is_dot(entry->name)) continue;
      if (const int error = copy_entry(from, to, entry->name, depth)) return error;
    }
  }
}

}  // namespace

int copy_tree_contents(int from, int to) noexcept {
  constexpr int kOpen = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  const auto source = static_cast<int>(::syscall(SYS_openat, from, ".", kOpen, 0));
  if (source < 0) return errno;
  const auto target = static_cast<int>(::syscall(SYS_openat, to, ".", kOpen, 0));
  int error = result_of(target);
  if (error == 0) {
    error = copy_directory(source, target, 0);
    ::syscall(SYS_close, target);
  }
  ::syscall(SYS_close, source);
  return error;
}

}  // namespace layerkit::runner
