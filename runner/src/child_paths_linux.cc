#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "child.h"

namespace layerkit::runner {
namespace {

constexpr std::size_t kPathMax = 4096;
constexpr int kMaxLinks = 8;
/// openat2 says EAGAIN when a rename elsewhere made ".." uncertain.
constexpr int kRetries = 128;

bool make_directories(int root, const char* path, int links) noexcept;

bool copy_text(char* to, std::size_t& size, const char* from) noexcept {
  for (; *from != '\0'; ++from) {
    if (size + 1 >= kPathMax) {
      errno = ENAMETOOLONG;
      return false;
    }
    to[size++] = *from;
  }
  to[size] = '\0';
  return true;
}

/// A dangling symlink in the way: what it points to is made, inside the rootfs.
bool make_link_target(int root, const char* parent, int parent_fd, const char* name, int links) {
  char link[kPathMax];
  const long size = ::syscall(SYS_readlinkat, parent_fd, name, link, kPathMax - 1);
  if (size < 0) return false;
  link[size] = '\0';
  if (links >= kMaxLinks) {
    errno = ELOOP;
    return false;
  }
  if (link[0] == '/') return make_directories(root, link, links + 1);
  char path[kPathMax];
  std::size_t length = 0;
  return copy_text(path, length, parent) && copy_text(path, length, "/") &&
         copy_text(path, length, link) && make_directories(root, path, links + 1);
}

/// mkdir of the last component of `prefix`, whose name starts at `name_at`.
bool make_directory(int root, char* prefix, std::size_t name_at, int links) noexcept {
  const char* parent = ".";
  if (name_at > 0) {
    prefix[name_at - 1] = '\0';
    parent = name_at == 1 ? "/" : prefix;
  }
  const int parent_fd = open_in_root(root, parent, O_PATH | O_DIRECTORY);
  bool made = false;
  if (parent_fd >= 0) {
    made = ::syscall(SYS_mkdirat, parent_fd, prefix + name_at, 0755) == 0;
    if (!made && errno == EEXIST) {
      made = make_link_target(root, parent, parent_fd, prefix + name_at, links);
      if (!made && errno == EINVAL) made = true;  // no symlink: somebody else made it
    }
    const int error = errno;
    ::syscall(SYS_close, parent_fd);
    errno = error;
  }
  if (name_at > 0) prefix[name_at - 1] = '/';
  return made;
}

bool is_directory(int root, const char* path) noexcept {
  const int fd = open_in_root(root, path, O_PATH | O_DIRECTORY);
  if (fd < 0) return false;
  ::syscall(SYS_close, fd);
  return true;
}

/// mkdir -p inside the rootfs. Each prefix is resolved anew by the kernel, with the rootfs as root,
/// so that no symlink, "..", or rename meanwhile leads out.
bool make_directories(int root, const char* path, int links) noexcept {
  char prefix[kPathMax];
  std::size_t start = 0;
  for (std::size_t i = 0; i < kPathMax; ++i) {
    if (path[i] != '/' && path[i] != '\0') {
      prefix[i] = path[i];
      continue;
    }
    prefix[i] = '\0';
    if (i > start && !is_directory(root, prefix)) {
      if (errno != ENOENT || !make_directory(root, prefix, start, links)) return false;
    }
    if (path[i] == '\0') return true;
    prefix[i] = '/';
    start = i + 1;
  }
  errno = ENAMETOOLONG;
  return false;
}

/// What is above the last component, into `parent`; its length.
std::size_t parent_path(const char* path, char* parent) noexcept {
  std::size_t size = 0;
  if (!copy_text(parent, size, path)) return kPathMax;
  while (size > 0 && parent[size - 1] != '/')
    --size;
  parent[size] = '\0';
  return size;
}

bool make_parents(int root, const char* path) noexcept {
  char parent[kPathMax];
  return parent_path(path, parent) < kPathMax && make_directories(root, parent, 0);
}

/// The directories of what a dangling symlink at `path` points to.
bool make_link_parents(int root, const char* path) noexcept {
  char target[kPathMax];
  const std::size_t size = parent_path(path, target);
  if (size >= kPathMax) return false;
  const int parent = open_in_root(root, size == 0 ? "." : target, O_PATH | O_DIRECTORY);
  if (parent < 0) return false;
  char link[kPathMax];
  const long length = ::syscall(SYS_readlinkat, parent, path + size, link, kPathMax - 1);
  const int error = length < 0 ? ENOENT : 0;
  ::syscall(SYS_close, parent);
  if (error != 0) {
    errno = error;
    return false;
  }
  link[length] = '\0';
  if (link[0] == '/') return make_parents(root, link);
  std::size_t used = size;
  return copy_text(target, used, link) && make_parents(root, target);
}

int make_file(int root, const char* path) noexcept {
  return open_in_root(root, path, O_CREAT | O_WRONLY | O_NONBLOCK | O_NOCTTY, 0644);
}

}  // namespace

int open_in_root(int root, const char* path, int flags, unsigned mode) noexcept {
  open_how how{};
  how.flags = static_cast<__u64>(flags | O_CLOEXEC);
  how.mode = mode;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  long fd = -1;
  for (int i = 0; i < kRetries; ++i) {
    fd = ::syscall(SYS_openat2, root, path, &how, sizeof(how));
    if (fd >= 0 || errno != EAGAIN) break;
  }
  return static_cast<int>(fd);
}

int open_parent(int root, const char* path, const char** name) noexcept {
  char parent[kPathMax];
  const std::size_t size = parent_path(path, parent);
  if (size >= kPathMax) return -1;
  *name = path + size;
  if (size == 0) return open_in_root(root, ".", O_PATH | O_DIRECTORY);
  const int found = open_in_root(root, parent, O_PATH | O_DIRECTORY);
  if (found >= 0 || errno != ENOENT) return found;
  if (!make_directories(root, parent, 0)) return -1;
  return open_in_root(root, parent, O_PATH | O_DIRECTORY);
}

int open_target(int root, const char* path, bool is_directory, int flags, bool* was_made) noexcept {
  const int found = open_in_root(root, path, O_PATH | flags);
  if (found >= 0 || errno != ENOENT) return found;
  if (was_made != nullptr) *was_made = true;
  if (is_directory) {
    if (!make_directories(root, path, 0)) return -1;
  } else {
    if (!make_parents(root, path)) return -1;
    int made = make_file(root, path);
    if (made < 0 && errno == ENOENT && make_link_parents(root, path)) made = make_file(root, path);
    if (made < 0) return -1;
    ::syscall(SYS_close, made);
  }
  return open_in_root(root, path, O_PATH | flags);
}

}  // namespace layerkit::runner
