#include "compare_trees.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/root_dir.h"
#include "layerkit/base/text.h"
#include "layerkit/base/whiteout.h"

namespace layerkit {
namespace {

/// An access time that no new file has; nothing reads the expected tree's files before us.
constexpr timespec kMark{1, 0};

bool is_marked(int dir_fd, const std::string& name) {
  struct stat status {};
  if (::fstatat(dir_fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    const int err = errno;
    fail_errno(err, "reading the attributes of {}", quoted(name));
  }
  return status.st_atim.tv_sec == kMark.tv_sec && status.st_atim.tv_nsec == kMark.tv_nsec;
}

/// Security modules label files by the place where they are made.
bool is_label(const std::string& xattr) {
  return xattr == "security.selinux" || xattr.starts_with("security.SMACK64") ||
         xattr == "security.ima" || xattr == "security.evm" || xattr == "security.apparmor";
}

Xattrs read_compared_xattrs(int dir_fd, const std::string& name) {
  Xattrs all = read_xattrs_at(dir_fd, name);
  std::erase_if(all, [](const auto& xattr) { return is_label(xattr.first); });
  return all;
}

/// Start of the next data at or behind `offset`, or the end of the file.
std::uint64_t next_data(int fd, std::uint64_t offset) {
  const off_t at = ::lseek(fd, static_cast<off_t>(offset), SEEK_DATA);
  const int err = errno;
  if (at >= 0) return static_cast<std::uint64_t>(at);
  if (err == ENXIO) return stat_fd(fd).size;
  fail_errno(err, "looking for data in a file");
}

bool same_range(int a, int b, std::uint64_t offset, std::size_t size) {
  std::vector<std::byte> left(size);
  std::vector<std::byte> right(size);
  FileRangeSource from_a(a, offset, size, "expected");
  FileRangeSource from_b(b, offset, size, "stored");
  return read_full(from_a, left) == read_full(from_b, right) && left == right;
}

bool same_contents(int a, int b, std::uint64_t size) {
  constexpr std::uint64_t kStep = std::uint64_t{256} << 10;
  std::uint64_t offset = 0;
  while (offset < size) {
    offset = std::min(next_data(a, offset), next_data(b, offset));
    if (offset >= size) break;
    const std::uint64_t step = std::min(kStep, size - offset);
    if (!same_range(a, b, offset, static_cast<std::size_t>(step))) return false;
    offset += step;
  }
  return true;
}

struct Object {
  FileStat stat;
  std::string target;  ///< of a symlink
  Xattrs xattrs;
  bool is_whiteout = false;
};

bool is_whiteout(const FileStat& stat, const std::string& name, DiffFormat format) {
  if (format.is_aufs()) return stat.type == FileType::Regular && name.starts_with(kWhiteoutPrefix);
  return is_overlay_whiteout(stat.type, stat.device_major, stat.device_minor);
}

std::optional<Object> read_object(int dir_fd, const std::string& name, DiffFormat format) {
  const auto stat = stat_at(dir_fd, name);
  if (!stat) return std::nullopt;
  Object object;
  object.stat = *stat;
  object.is_whiteout = is_whiteout(*stat, name, format);
  if (stat->type == FileType::Symlink) object.target = read_link_at(dir_fd, name);
  if (!object.is_whiteout) object.xattrs = read_compared_xattrs(dir_fd, name);
  return object;
}

/// What differs but the contents of files: "mode 0644 instead of 0755, owner ...".
std::string describe(const Object& expected, const Object& actual) {
  const FileStat& want = expected.stat;
  const FileStat& have = actual.stat;
  if (expected.is_whiteout || actual.is_whiteout) {
    if (expected.is_whiteout && actual.is_whiteout) return {};
    return expected.is_whiteout ? "it should be a whiteout" : "it is a whiteout";
  }
  if (want.type != have.type) return "it is another kind of object";
  std::vector<std::string> parts;
  if (want.mode != have.mode && want.type != FileType::Symlink) {
    parts.push_back(fmt::format("mode {:04o} instead of {:04o}", have.mode, want.mode));
  }
  if (want.uid != have.uid || want.gid != have.gid) {
    parts.push_back(
        fmt::format("owner {}:{} instead of {}:{}", have.uid, have.gid, want.uid, want.gid));
  }
  if (want.mtime != have.mtime) {
    parts.push_back(fmt::format("time {}.{:09} instead of {}.{:09}", have.mtime.seconds,
                                have.mtime.nanoseconds, want.mtime.seconds,
                                want.mtime.nanoseconds));
  }
  if (want.device_major != have.device_major || want.device_minor != have.device_minor) {
    parts.emplace_back("another device");
  }
  if (expected.target != actual.target) {
    parts.push_back(
        fmt::format("target {} instead of {}", quoted(actual.target), quoted(expected.target)));
  }
  if (expected.xattrs != actual.xattrs) parts.emplace_back("other extended attributes");
  std::string text;
  for (const std::string& part : parts)
    text += (text.empty() ? "" : ", ") + part;
  return text;
}

class Comparison {
 public:
  Comparison(int expected_fd,
             int actual_fd,
             const OnDifference& report,
             DiffFormat format,
             const Context& context)
      : expected_(open_dir_at(expected_fd, ".")),
        actual_(open_dir_at(actual_fd, ".")),
        report_(report),
        format_(format),
        context_(context) {}

  void run() {
    compare_object(expected_.fd(), actual_.fd(), ".", RelPath());
    while (!pending_.empty()) {
      context_.check_interrupted();
      const RelPath path = std::move(pending_.back());
      pending_.pop_back();
      compare_names(path);
    }
  }

 private:
  using Inode = std::pair<std::uint64_t, std::uint64_t>;

  void compare_names(const RelPath& path) {
    constexpr int kFlags = O_RDONLY | O_DIRECTORY;
    const Fd expected = expected_.open(path, kFlags, Follow::No);
    const Fd actual = actual_.open(path, kFlags, Follow::No);
    const std::vector<DirEntry> wanted = list_dir(expected.get());
    const std::vector<DirEntry> found = list_dir(actual.get());
    auto next = found.begin();
    for (const DirEntry& entry : wanted) {
      for (; next != found.end() && next->name < entry.name; ++next)
        report_extra(path, next->name);
      if (next == found.end() || next->name != entry.name) {
        report_(Difference::Missing, path / entry.name, "it is missing");
        continue;
      }
      ++next;
      compare_object(expected.get(), actual.get(), entry.name, path / entry.name);
    }
    for (; next != found.end(); ++next)
      report_extra(path, next->name);
  }

  void report_extra(const RelPath& directory, const std::string& name) {
    report_(Difference::Extra, directory / name, "the layer has nothing of this name");
  }

  void compare_object(int expected_dir,
                      int actual_dir,
                      const std::string& name,
                      const RelPath& path) {
    const auto expected = read_object(expected_dir, name, format_);
    const auto actual = read_object(actual_dir, name, format_);
    if (!expected || !actual) {
      report_(Difference::Missing, path, "it is missing");
      return;
    }
    const std::string detail = describe(*expected, *actual);
    if (!detail.empty()) report_(Difference::Changed, path, detail);
    if (expected->stat.type != actual->stat.type) return;
    if (expected->stat.type == FileType::Directory) {
      pending_.push_back(path);
      return;
    }
    if (!expected->is_whiteout) compare_links(expected->stat, actual->stat, path);
    if (expected->stat.type == FileType::Regular) {
      compare_contents(expected_dir, actual_dir, name, path);
    }
  }

  /// Two names are one file here exactly when they are one file there.
  void compare_links(const FileStat& expected, const FileStat& actual, const RelPath& path) {
    // A name may be the only one here and have others outside, where replaced files are kept.
    if (expected.nlink < 2 && actual.nlink < 2) return;
    const auto [of_expected, is_first] = actual_of_.try_emplace(inode(expected), inode(actual));
    const auto of_actual = expected_of_.try_emplace(inode(actual), inode(expected)).first;
    if (of_expected->second == inode(actual) && of_actual->second == inode(expected)) return;
    report_(
        Difference::Changed, path,
        is_first ? "it is a hard link of another file" : "it is not the hard link it should be");
  }

  static Inode inode(const FileStat& stat) { return {stat.dev, stat.ino}; }

  void compare_contents(int expected_dir,
                        int actual_dir,
                        const std::string& name,
                        const RelPath& path) {
    if (!is_marked(expected_dir, name)) return;
    constexpr int kFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    // Another name of the file is still to find the mark.
    const Fd expected = open_at(expected_dir, name, kFlags | O_NOATIME);
    const Fd actual = open_at(actual_dir, name, kFlags);
    const std::uint64_t want = stat_fd(expected.get()).size;
    const std::uint64_t have = stat_fd(actual.get()).size;
    if (want != have) {
      report_(Difference::Contents, path, fmt::format("it has {} bytes instead of {}", have, want));
    } else if (!same_contents(expected.get(), actual.get(), want)) {
      report_(Difference::Contents, path, "its contents differ");
    }
  }

  RootDir expected_;
  RootDir actual_;
  const OnDifference& report_;
  DiffFormat format_;
  const Context& context_;
  std::vector<RelPath> pending_;
  std::map<Inode, Inode> actual_of_;
  std::map<Inode, Inode> expected_of_;
};

}  // namespace

void mark_contents(int dir_fd, const std::string& name) {
  const timespec times[] = {kMark, {0, UTIME_OMIT}};
  if (::utimensat(dir_fd, name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) {
    const int err = errno;
    fail_errno(err, "setting the time of {}", quoted(name));
  }
}

void compare_diff_trees(int expected_fd,
                        int actual_fd,
                        const OnDifference& report,
                        DiffFormat format,
                        const Context& context) {
  Comparison(expected_fd, actual_fd, report, format, context).run();
}

bool is_zero_range(int fd, std::uint64_t offset, std::uint64_t size) {
  std::vector<std::byte> buffer(std::size_t{64} << 10);
  const std::uint64_t end = offset + size;
  for (;;) {
    offset = next_data(fd, offset);
    if (offset >= end) return true;
    const auto step =
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), end - offset));
    FileRangeSource source(fd, offset, step, "stored");
    const auto part = std::span(buffer).first(step);
    read_full(source, part);
    if (!std::all_of(part.begin(), part.end(), [](std::byte b) { return b == std::byte{}; })) {
      return false;
    }
    offset += step;
  }
}

}  // namespace layerkit
