#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "cgroup_files.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit::runner {
namespace {

constexpr std::size_t kMaxControlFile = 16U << 20U;
constexpr int kMakeAttempts = 100;

std::int64_t now_ms() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
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

Fd open_new(const CgroupPlace& place) {
  try {
    return open_at(AT_FDCWD, place.path(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  } catch (const Error&) {
    ::rmdir(place.path().c_str());
    remove_parents(place);
    throw;
  }
}

/// What is alive is not ours; what was inside it, a crash left.
Fd take_over(const CgroupPlace& place) {
  Fd directory = open_at(AT_FDCWD, place.path(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (has_processes(directory.get())) {
    fail(Errc::Busy, "creating cgroup {}: container's cgroup is not empty", quoted(place.path()));
  }
  if (const int error = remove_children(place.path())) {
    fail_errno(error, "removing what is left in cgroup {}", quoted(place.path()));
  }
  return directory;
}

}  // namespace

std::string_view parent_of(std::string_view path) noexcept {
  const std::size_t slash = path.rfind('/');
  return path.substr(0, slash == std::string_view::npos ? 0 : slash);
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(" \t\n"), text.size());
    if (end > 0) words.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

bool has_word(std::string_view words, std::string_view word) {
  const std::vector<std::string_view> all = words_of(words);
  return std::find(all.begin(), all.end(), word) != all.end();
}

std::optional<std::string> read_control(int directory, const std::string& file) {
  const Fd fd(::openat(directory, file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return std::nullopt;
  std::string text;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
    if (got == 0) return text;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;  // e.g. ENODEV: the cgroup was removed meanwhile
    text.append(buffer.data(), static_cast<std::size_t>(got));
    if (text.size() > kMaxControlFile) return std::nullopt;
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

Deadline::Deadline(int seconds) noexcept : end_ms_(now_ms() + std::int64_t{seconds} * 1000) {}

bool Deadline::has_passed() const noexcept {
  return now_ms() >= end_ms_;
}

int Deadline::left_ms() const noexcept {
  return static_cast<int>(std::max<std::int64_t>(end_ms_ - now_ms(), 0));
}

std::map<std::string, std::uint64_t> keyed_numbers(int directory, const std::string& file) {
  std::map<std::string, std::uint64_t> all;
  const std::string text = read_control(directory, file).value_or("");
  for (const std::string_view line : split(text, '\n')) {
    const std::vector<std::string_view> words = words_of(line);
    const auto value = words.size() == 2 ? parse_decimal(words[1]) : std::nullopt;
    if (value) all.emplace(words[0], *value);
  }
  return all;
}

std::optional<std::uint64_t> number_file(int directory, const std::string& file) noexcept {
  try {
    const auto text = read_control(directory, file);
    if (!text) return std::nullopt;
    const std::string_view number = std::string_view(*text).substr(0, text->find('\n'));
    return number == "max" ? UINT64_MAX : parse_decimal(number);
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

void remove_parents(const CgroupPlace& place) noexcept {
  // Those that others still use stay: rmdir says EBUSY or ENOTEMPTY.
  std::string parent(parent_of(place.relative));
  while (!parent.empty() && ::rmdir((place.base + "/" + parent).c_str()) == 0)
    parent = parent_of(parent);
}

MadeDirectory make_cgroup_directory(const CgroupPlace& place) {
  const std::string path = place.path();
  for (int attempt = 0;; ++attempt) {
    int error = ::mkdir(path.c_str(), 0755) == 0 ? 0 : errno;
    if (error == 0) return {open_new(place), true};
    if (error == ENOENT) error = make_parents(place);
    if (attempt == kMakeAttempts || (error != 0 && error != EEXIST && error != ENOENT)) {
      remove_parents(place);
      fail_errno(error, "creating cgroup {}", quoted(path));
    }
    if (error != EEXIST) continue;
    try {
      return {take_over(place), false};
    } catch (const Error& gone) {
      if (gone.code() != Errc::NotFound) throw;
    }
  }
}

std::optional<Fd> open_cgroup_directory(const CgroupPlace& place) {
  return open_at_if_exists(AT_FDCWD, place.path(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

bool remove_cgroup_directory(const CgroupPlace& place, const Deadline& deadline) noexcept {
  int error = remove_nested(place.path());
  while (error == EBUSY && !deadline.has_passed()) {
    pause_briefly();
    error = remove_nested(place.path());
  }
  remove_parents(place);
  return error == 0;
}

void pause_briefly() noexcept {
  const timespec one_millisecond = {0, 1'000'000};
  ::nanosleep(&one_millisecond, nullptr);
}

}  // namespace layerkit::runner
