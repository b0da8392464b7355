// One piece of work on a file system, done by as few system calls as it takes and timed without
// the start of a process: what union_bench.py runs on every file system alike.
// Prints the nanoseconds it took, those of CPU time (without a server's) and the number of things
// it did.

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"

namespace layerkit::bench {
namespace {

using Arguments = std::span<const std::string>;

std::uint64_t number(const std::string& text) {
  std::uint64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end != text.data() + text.size())
    fail(Errc::Invalid, "reading the number '{}'", text);
  return value;
}

std::string file_name(std::uint64_t index) {
  return fmt::format("file-{}", index);
}

enum class Asking { Names, Attributes };

struct CloseDirectory {
  void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};

/// Everything below a directory, which is counted.
std::uint64_t walk(Fd directory_fd, Asking asking) {
  const std::unique_ptr<DIR, CloseDirectory> directory(::fdopendir(directory_fd.get()));
  if (!directory) fail_errno(errno, "reading a directory");
  const int fd = directory_fd.release();
  std::uint64_t count = 0;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this function's own
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    ++count;
    struct stat stat = {};
    if (asking == Asking::Attributes &&
        ::fstatat(fd, entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) != 0)
      fail_errno(errno, "reading the attributes of '{}'", name);
    if (entry->d_type == DT_DIR) count += walk(open_dir_at(fd, entry->d_name), asking);
  }
  return count;
}

std::uint64_t list_tree(Arguments arguments) {
  return walk(open_dir_at(AT_FDCWD, arguments[0]), Asking::Names);
}

std::uint64_t stat_tree(Arguments arguments) {
  return walk(open_dir_at(AT_FDCWD, arguments[0]), Asking::Attributes);
}

std::uint64_t read_sequentially(Arguments arguments) {
  const Fd file = open_at(AT_FDCWD, arguments[0], O_RDONLY);
  std::vector<char> block(number(arguments[1]));
  std::uint64_t bytes = 0;
  for (;;) {
    const ssize_t got = ::read(file.get(), block.data(), block.size());
    if (got < 0) fail_errno(errno, "reading '{}'", arguments[0]);
    if (got == 0) return bytes;
    bytes += static_cast<std::uint64_t>(got);
  }
}

/// Blocks in an order that is the same every time.
std::uint64_t read_randomly(Arguments arguments) {
  const Fd file = open_at(AT_FDCWD, arguments[0], O_RDONLY);
  std::vector<char> block(number(arguments[1]));
  const std::uint64_t blocks = stat_fd(file.get()).size / block.size();
  std::uint64_t state = 1;
  const std::uint64_t count = number(arguments[2]);
  for (std::uint64_t i = 0; i < count; ++i) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    const std::uint64_t at = (state >> 33U) % blocks * block.size();
    const ssize_t got = ::pread(file.get(), block.data(), block.size(), static_cast<off_t>(at));
    if (got != static_cast<ssize_t>(block.size())) fail_errno(errno, "reading '{}'", arguments[0]);
  }
  return count;
}

std::uint64_t write_sequentially(Arguments arguments) {
  const Fd file = open_at(AT_FDCWD, arguments[0], O_WRONLY | O_CREAT | O_TRUNC, 0644);
  const std::uint64_t size = number(arguments[1]);
  const std::string block(number(arguments[2]), 'w');
  std::uint64_t bytes = 0;
  for (; bytes < size; bytes += block.size())
    write_all(file.get(), block, arguments[0]);
  return bytes;
}

std::uint64_t create_files(Arguments arguments) {
  const Fd directory = open_dir_at(AT_FDCWD, arguments[0]);
  const std::uint64_t count = number(arguments[1]);
  const std::string contents(number(arguments[2]), 'c');
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string name = file_name(i);
    const Fd file = open_at(directory.get(), name, O_WRONLY | O_CREAT | O_EXCL, 0644);
    write_all(file.get(), contents, name);
  }
  return count;
}

std::uint64_t unlink_files(Arguments arguments) {
  const Fd directory = open_dir_at(AT_FDCWD, arguments[0]);
  const std::uint64_t count = number(arguments[1]);
  std::uint64_t removed = 0;
  for (std::uint64_t i = 0; i < count; ++i)
    if (unlink_at(directory.get(), file_name(i))) ++removed;
  return removed;
}

/// The same few files again and again.
std::uint64_t open_repeatedly(Arguments arguments) {
  const Fd directory = open_dir_at(AT_FDCWD, arguments[0]);
  const std::vector<DirEntry> entries = list_dir(directory.get());
  const std::uint64_t count = number(arguments[1]);
  std::array<char, 4096> block = {};
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string& name = entries[i % entries.size()].name;
    const Fd file = open_at(directory.get(), name, O_RDONLY);
    if (::read(file.get(), block.data(), block.size()) < 0) fail_errno(errno, "reading '{}'", name);
  }
  return count;
}

std::uint64_t look_up_absent(Arguments arguments) {
  const Fd directory = open_dir_at(AT_FDCWD, arguments[0]);
  const std::uint64_t count = number(arguments[1]);
  std::uint64_t absent = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    struct stat stat = {};
    const std::string name = fmt::format("absent-{}", i);
    if (::fstatat(directory.get(), name.c_str(), &stat, 0) != 0 && errno == ENOENT) ++absent;
  }
  return absent;
}

/// The least that changes a file.
std::uint64_t change_byte(Arguments arguments) {
  const Fd file = open_at(AT_FDCWD, arguments[0], O_RDWR);
  if (::pwrite(file.get(), "x", 1, 0) != 1) fail_errno(errno, "writing '{}'", arguments[0]);
  return 1;
}

std::uint64_t copy_file(Arguments arguments) {
  const Fd from = open_at(AT_FDCWD, arguments[0], O_RDONLY);
  const Fd to = open_at(AT_FDCWD, arguments[1], O_WRONLY | O_CREAT | O_EXCL, 0644);
  constexpr std::size_t kAtOnce = std::size_t{1} << 30;
  for (;;) {
    const ssize_t put = ::copy_file_range(from.get(), nullptr, to.get(), nullptr, kAtOnce, 0);
    if (put < 0) fail_errno(errno, "copying '{}'", arguments[0]);
    if (put == 0) return 1;
  }
}

/// Its exit code is the answer. The command's output goes to this program's standard error.
std::uint64_t run_command(Arguments arguments) {
  std::vector<char*> words;
  words.reserve(arguments.size() + 1);
  for (const std::string& word : arguments)
    words.push_back(const_cast<char*>(word.c_str()));  // NOLINT(*-const-cast): exec's signature
  words.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  pid_t pid = 0;
  const int err = ::posix_spawnp(&pid, words[0], &actions, nullptr, words.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (err != 0) fail_errno(err, "starting '{}'", arguments[0]);
  int status = 0;
  if (::waitpid(pid, &status, 0) < 0) fail_errno(errno, "waiting for '{}'", arguments[0]);
  if (!WIFEXITED(status)) fail(Errc::Io, "running '{}': it was killed", arguments[0]);
  return static_cast<std::uint64_t>(WEXITSTATUS(status));
}

std::uint64_t sync_all(Arguments arguments) {
  sync_filesystem(open_dir_at(AT_FDCWD, arguments[0]).get());
  return 1;
}

std::chrono::nanoseconds cpu_time() {
  std::chrono::nanoseconds sum = {};
  for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage usage = {};
    if (::getrusage(who, &usage) != 0) fail_errno(errno, "reading the CPU time");
    for (const timeval& part : {usage.ru_utime, usage.ru_stime})
      sum += std::chrono::seconds(part.tv_sec) + std::chrono::microseconds(part.tv_usec);
  }
  return sum;
}

struct Work {
  std::string_view name;
  std::size_t least_arguments;
  std::uint64_t (*run)(Arguments);
  std::string_view usage;
};

constexpr std::array kWorks = {
    Work{"list", 1, list_tree, "DIR"},
    Work{"stat", 1, stat_tree, "DIR"},
    Work{"read", 2, read_sequentially, "FILE BLOCK_BYTES"},
    Work{"read-random", 3, read_randomly, "FILE BLOCK_BYTES COUNT"},
    Work{"write", 3, write_sequentially, "FILE BYTES BLOCK_BYTES"},
    Work{"create", 3, create_files, "DIR COUNT BYTES"},
    Work{"unlink", 2, unlink_files, "DIR COUNT"},
    Work{"open", 2, open_repeatedly, "DIR COUNT"},
    Work{"absent", 2, look_up_absent, "DIR COUNT"},
    Work{"change", 1, change_byte, "FILE"},
    Work{"copy", 2, copy_file, "FILE NEW_FILE"},
    Work{"run", 1, run_command, "COMMAND [ARGUMENT...]"},
    Work{"sync", 1, sync_all, "DIR"},
};

std::uint64_t run_work(const std::vector<std::string>& words) {
  if (words.empty()) fail(Errc::Invalid, "reading the command line: no work is named");
  const Arguments arguments = Arguments(words).subspan(1);
  for (const Work& work : kWorks) {
    if (work.name != words[0]) continue;
    if (arguments.size() < work.least_arguments)
      fail(Errc::Invalid, "reading the command line: usage is {} {}", work.name, work.usage);
    return work.run(arguments);
  }
  fail(Errc::Invalid, "reading the command line: '{}' is no work", words[0]);
}

}  // namespace
}  // namespace layerkit::bench

int main(int argc, char** argv) {
  try {
    const std::vector<std::string> words(argv + 1, argv + argc);
    const std::chrono::nanoseconds cpu_before = layerkit::bench::cpu_time();
    const auto start = std::chrono::steady_clock::now();
    const std::uint64_t count = layerkit::bench::run_work(words);
    const std::chrono::nanoseconds took = std::chrono::steady_clock::now() - start;
    const std::chrono::nanoseconds cpu = layerkit::bench::cpu_time() - cpu_before;
    fmt::print("{} {} {}\n", took.count(), cpu.count(), count);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
