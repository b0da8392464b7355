#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "user_namespace.h"

namespace layerkit::testing {

/// "ok", or the name of the error that a system call gave: "ENOTEMPTY".
inline std::string tried(long result) {
  if (result >= 0) return "ok";
  const char* name = ::strerrorname_np(errno);
  return name != nullptr ? name : "unknown error";
}

/// The same for open(2).
inline std::string tried_open(const std::string& path, int flags, mode_t mode = 0644) {
  const Fd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
  return tried(fd.get());
}

inline Fd open_file(const std::string& path, int flags, mode_t mode = 0644) {
  Fd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
  if (!fd) fail_errno(errno, "opening '{}'", path);
  return fd;
}

inline std::string text_of(const std::string& path) {
  return read_file_at(AT_FDCWD, path, std::size_t{256} << 20);
}

/// All that can be read from the descriptor, from the start of the file.
inline std::string text_of(int fd) {
  std::string text;
  std::string buffer(1 << 16, '\0');
  for (;;) {
    const ssize_t got = ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(text.size()));
    if (got < 0) return "error: " + tried(got);
    if (got == 0) return text;
    text.append(buffer, 0, static_cast<std::size_t>(got));
  }
}

/// Writes over what the file has; creates it when absent.
inline std::string tried_write(const std::string& path, const std::string& text, int flags = 0) {
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644));
  if (!fd) return tried(fd.get());
  const ssize_t written = ::write(fd.get(), text.data(), text.size());
  if (written >= 0 && static_cast<std::size_t>(written) != text.size()) return "written in part";
  return tried(written);
}

inline bool exists(const std::string& path) {
  return stat_at(AT_FDCWD, path).has_value();
}

/// lstat of what must be there.
inline struct stat status_of(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) fail_errno(errno, "looking at '{}'", path);
  return status;
}
inline struct stat status_of(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) fail_errno(errno, "looking at a descriptor");
  return status;
}
inline unsigned mode_of(const std::string& path) {
  return status_of(path).st_mode & 07777U;
}

/// Nanoseconds, for comparing.
inline long long time_in_ns(const timespec& time) {
  return static_cast<long long>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}
inline long long mtime_of(const std::string& path) {
  return time_in_ns(status_of(path).st_mtim);
}

/// An old moment with a fraction, so that a lost or rounded time shows.
inline void make_old(const std::string& path, long seconds = 1'000'000'000) {
  const timespec times[2] = {{seconds, 111'222'333}, {seconds + 1, 123'456'789}};
  if (::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0)
    fail_errno(errno, "setting the times of '{}'", path);
}

/// Names in a directory, sorted; a name that is listed twice is there twice.
inline std::vector<std::string> names_in(const std::string& path) {
  std::vector<std::string> names;
  const Fd dir = open_dir_at(AT_FDCWD, path);
  for (const DirEntry& entry : list_dir(dir.get()))
    names.push_back(entry.name);
  return names;
}
using Names = std::vector<std::string>;

/// A directory stream, closed in the end.
class DirStream {
 public:
  explicit DirStream(const std::string& path) : dir_(::opendir(path.c_str())) {
    if (dir_ == nullptr) fail_errno(errno, "opening the directory '{}'", path);
  }
  DirStream(const DirStream&) = delete;
  DirStream& operator=(const DirStream&) = delete;
  ~DirStream() { ::closedir(dir_); }

  DIR* get() const { return dir_; }
  /// The next name, or an empty one at the end.
  std::string next() {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): the stream belongs to one thread
    const dirent* entry = ::readdir(dir_);
    return entry != nullptr ? entry->d_name : "";
  }
  /// All from here on, without "." and "..".
  Names rest() {
    Names names;
    for (std::string name = next(); !name.empty(); name = next()) {
      if (name != "." && name != "..") names.push_back(name);
    }
    return names;
  }

 private:
  DIR* dir_;
};

inline std::string tried_rename(const std::string& from,
                                const std::string& to,
                                unsigned flags = 0) {
  return tried(::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags));
}

/// The value, or the name of the error.
inline std::string xattr_of(const std::string& path, const std::string& key) {
  std::string value(1 << 16, '\0');
  const ssize_t got = ::lgetxattr(path.c_str(), key.c_str(), value.data(), value.size());
  if (got < 0) return tried(got);
  value.resize(static_cast<std::size_t>(got));
  return value;
}
inline std::string tried_set_xattr(const std::string& path,
                                   const std::string& key,
                                   const std::string& value,
                                   int flags = 0) {
  return tried(::lsetxattr(path.c_str(), key.c_str(), value.data(), value.size(), flags));
}

/// Another user, as a process of its own.
struct Identity {
  uid_t uid = kNobody;
  gid_t gid = kNobody;
  std::vector<gid_t> groups = {};
};

/// Runs `work` as that user; its failed expectations fail the test.
inline void as_user(const Identity& who, const std::function<void()>& work) {
  const auto become = [&who] {
    return ::setgroups(who.groups.size(), who.groups.data()) == 0 &&
           ::setresgid(who.gid, who.gid, who.gid) == 0 &&
           ::setresuid(who.uid, who.uid, who.uid) == 0;
  };
  const int code = exit_code_of_child([] { return ::fork(); },
                                      [&] { return become() ? run_expectations(work) : 2; });
  EXPECT_EQ(code, 0) << "as user " << who.uid << ": see the output above";
}

}  // namespace layerkit::testing
