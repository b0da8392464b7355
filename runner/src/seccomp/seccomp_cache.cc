#include "seccomp_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <compare>
#include <optional>
#include <span>
#include <vector>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/error.h"
#include "layerkit/base/fd.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "seccomp_cache_file.h"

namespace layerkit::runner {
namespace {

/// Profiles with more to compare are compiled each time.
constexpr std::size_t kMaxKey = 256 << 10;
constexpr std::size_t kMaxFile = kMaxKey + BPF_MAXINSNS * sizeof(sock_filter) + 64;

bool is_ours_alone(const FileStat& stat) {
  return stat.uid == ::geteuid() && (stat.mode & (S_IWGRP | S_IWOTH)) == 0;
}

/// nullopt: no such directory, or not one to trust.
std::optional<Fd> open_directory(const std::string& path) {
  std::optional<Fd> directory =
      open_at_if_exists(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (directory && !is_ours_alone(stat_fd(directory->get()))) return std::nullopt;
  return directory;
}

std::optional<std::vector<sock_filter>> read(int directory, const std::string& key) {
  const std::string name = seccomp_cache_name(key);
  const std::optional<Fd> file =
      open_at_if_exists(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!file) return std::nullopt;
  const FileStat stat = stat_fd(file->get());
  if (stat.type != FileType::Regular || !is_ours_alone(stat) || stat.size == 0 ||
      stat.size > kMaxFile)
    return std::nullopt;
  std::string contents(stat.size, '\0');
  FdSource source(file->get(), name);
  if (read_full(source, std::as_writable_bytes(std::span(contents))) != contents.size())
    return std::nullopt;
  return read_seccomp_cache(key, contents);
}

struct OldFile {
  Timestamp mtime;
  std::string name;
  auto operator<=>(const OldFile&) const = default;
};

/// Temporary files count, so that those of processes that died go, too.
bool is_ours_by_name(std::string_view name) {
  constexpr std::string_view kTemporary = ".tmp.";
  const std::size_t end = name.find(kTemporary);
  return is_seccomp_cache_name(name.substr(0, end));
}

void remove_oldest(int directory) {
  std::vector<OldFile> files;
  for_each_in_dir(directory, [&](std::string_view name) {
    if (!is_ours_by_name(name)) return true;
    OldFile file{{}, std::string(name)};
    if (const auto stat = stat_at(directory, file.name)) file.mtime = stat->mtime;
    files.push_back(std::move(file));
    return true;
  });
  if (files.size() <= SeccompCache::kMaxFiles) return;
  std::sort(files.begin(), files.end());
  files.resize(files.size() - SeccompCache::kMaxFiles);
  for (const OldFile& file : files)
    unlink_at(directory, file.name);
}

/// Not synced: what a crash leaves torn, the checksum finds.
void write(int directory, const std::string& key, const std::vector<sock_filter>& program) {
  const std::string name = seccomp_cache_name(key);
  const std::string temporary = name + ".tmp." + random_hex(16);
  const Fd file = open_at(directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  try {
    write_all(file.get(), write_seccomp_cache(key, program), name);
    rename_at(directory, temporary, directory, name);
  } catch (const Error&) {
    unlink_at(directory, temporary);
    throw;
  }
  remove_oldest(directory);
}

/// A cache that fails is none.
template <typename Work>
auto unless_it_fails(Work&& work) -> decltype(work()) {
  try {
    return work();
  } catch (const Error&) {
    return decltype(work())();
  }
}

}  // namespace

SeccompFilter SeccompCache::get(const SeccompProfile& profile, const Context& context) const {
  const std::string key = seccomp_cache_key(profile);
  if (key.size() > kMaxKey) return compile_seccomp(profile, context);

  std::optional<Fd> directory = unless_it_fails([&] { return open_directory(directory_); });
  if (directory) {
    auto found = unless_it_fails([&] { return read(directory->get(), key); });
    if (found) return seccomp_filter_of(profile, *std::move(found));
  }

  SeccompFilter filter = compile_seccomp(profile, context);
  unless_it_fails([&] {
    if (!directory) {
      if (::mkdir(directory_.c_str(), 0700) != 0 && errno != EEXIST) return;
      directory = open_directory(directory_);
    }
    if (directory) write(directory->get(), key, filter.program);
  });
  return filter;
}

}  // namespace layerkit::runner
