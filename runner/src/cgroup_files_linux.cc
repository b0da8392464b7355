#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "cgroup_files.h"
#include "layerkit/base/byte_stream.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit::runner {
namespace {

constexpr std::size_t kMaxControlFile = 16U << 20U;
constexpr int kMakeAttempts = 100;
/// Times pause_briefly(): processes in uninterruptible sleep may never go.
constexpr int kRemoveAttempts = 2000;

bool has_processes(const std::string& path) {
  const std::optional<Fd> directory =
      open_at_if_exists(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  return directory && !read_control(directory->get(), "cgroup.procs").value_or("").empty();
}

/// mkdir -p of what leads to the directory; 0 or an errno.
int make_parents(const CgroupPlace& place) noexcept {
  std::string path = place.base;
  for (const std::string_view component : split(parent_of(place.relative), '/')) {
    path += '/';
    path += component;
    if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return errno;
  }
  return 0;
}

int remove_nested(const std::string& path) noexcept;

int remove_children(const std::string& path) noexcept {
  try {
    const std::optional<Fd> directory =
        open_at_if_exists(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!directory) return ENOENT;
    for (const DirEntry& entry : list_dir(directory->get())) {
      const auto stat = stat_at(directory->get(), entry.name);
      if (!stat || stat->type != FileType::Directory) continue;
      if (const int error = remove_nested(path + "/" + entry.name)) return error;
    }
    return 0;
  } catch (const std::exception&) {
    return EIO;
  }
}

/// rmdir of a cgroup and those inside it; 0 or an errno.
int remove_nested(const std::string& path) noexcept {
  if (::rmdir(path.c_str()) == 0 || errno == ENOENT) return 0;
  const int error = errno;
  if (error != EBUSY && error != ENOTEMPTY) return error;
  if (remove_children(path) != 0) return error;
  return ::rmdir(path.c_str()) == 0 || errno == ENOENT ? 0 : errno;
}

/// What a crash may have left is removed; what is alive is not ours.
void replace_leftover(const CgroupPlace& place) {
  if (has_processes(place.path())) {
    fail(Errc::Busy, "creating cgroup {}: it exists and has processes", quoted(place.path()));
  }
  if (const int error = remove_nested(place.path())) {
    fail_errno(error, "removing the leftover cgroup {}", quoted(place.path()));
  }
}

}  // namespace

std::string_view parent_of(std::string_view path) noexcept {
  const std::size_t slash = path.rfind('/');
  return path.substr(0, slash == std::string_view::npos ? 0 : slash);
}

bool has_word(std::string_view words, std::string_view word) {
  while (!words.empty()) {
    const std::size_t end = words.find_first_of(" \n");
    if (words.substr(0, end) == word) return true;
    if (end == std::string_view::npos) return false;
    words.remove_prefix(end + 1);
  }
  return false;
}

std::optional<std::string> read_control(int directory, const std::string& file) {
  const Fd fd(::openat(directory, file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return std::nullopt;
  try {
    FdSource source(fd.get(), file);
    return read_all(source, kMaxControlFile, file);
  } catch (const Error&) {
    return std::nullopt;  // e.g. ENODEV: the cgroup was removed meanwhile
  }
}

int write_control(int directory, const std::string& file, std::string_view value) noexcept {
  const Fd fd(::openat(directory, file.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return errno;
  return ::write(fd.get(), value.data(), value.size()) < 0 ? errno : 0;
}

std::uint64_t keyed_number(int directory, const std::string& file, std::string_view key) noexcept {
  try {
    const std::string text = read_control(directory, file).value_or("");
    for (const std::string_view line : split(text, '\n')) {
      if (line.size() <= key.size() || !line.starts_with(key) || line[key.size()] != ' ') continue;
      return parse_decimal(line.substr(key.size() + 1)).value_or(0);
    }
  } catch (const std::exception&) {
    return 0;  // out of memory: the number is only a hint
  }
  return 0;
}

Fd make_cgroup_directory(const CgroupPlace& place) {
  const std::string path = place.path();
  for (int attempt = 0;; ++attempt) {
    int error = make_parents(place);
    if (error == 0) error = ::mkdir(path.c_str(), 0755) == 0 ? 0 : errno;
    if (error == 0) return open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (attempt == kMakeAttempts || (error != EEXIST && error != ENOENT)) {
      fail_errno(error, "creating cgroup {}", quoted(path));
    }
    if (error == EEXIST) replace_leftover(place);
  }
}

std::optional<Fd> open_cgroup_directory(const CgroupPlace& place) {
  return open_at_if_exists(AT_FDCWD, place.path(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

bool remove_cgroup_directory(const CgroupPlace& place) noexcept {
  int error = EBUSY;
  for (int attempt = 0; attempt < kRemoveAttempts && error == EBUSY; ++attempt) {
    if (attempt > 0) pause_briefly();
    error = remove_nested(place.path());
  }
  // Parents that others still use stay: rmdir says EBUSY or ENOTEMPTY.
  std::string parent(parent_of(place.relative));
  while (!parent.empty() && ::rmdir((place.base + "/" + parent).c_str()) == 0)
    parent = parent_of(parent);
  return error == 0;
}

std::size_t kill_processes(int directory) noexcept {
  std::size_t killed = 0;
  try {
    const std::string pids = read_control(directory, "cgroup.procs").value_or("");
    for (const std::string_view line : split(pids, '\n')) {
      const auto pid = parse_decimal(line);
      // 0 stands for processes of a pid namespace that is out of sight.
      if (!pid || *pid == 0) continue;
      if (::kill(static_cast<pid_t>(*pid), SIGKILL) == 0) ++killed;
    }
    for (const DirEntry& entry : list_dir(directory)) {
      const Fd child(
          ::openat(directory, entry.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (child) killed += kill_processes(child.get());
    }
  } catch (const std::exception&) {
    return killed;  // the cgroup went away meanwhile
  }
  return killed;
}

void pause_briefly() noexcept {
  const timespec one_millisecond = {0, 1'000'000};
  ::nanosleep(&one_millisecond, nullptr);
}

}  // namespace layerkit::runner
