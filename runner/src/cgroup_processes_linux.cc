#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "cgroup_files.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit::runner {
namespace {

/// A file system of the kernel's counts the directories inside one. Where it does not (1), they are
/// looked for.
bool may_have_children(int directory) noexcept {
  struct stat stat {};
  return ::fstat(directory, &stat) != 0 || stat.st_nlink != 2;
}

void append_processes(int directory, std::vector<pid_t>& all) {
  const std::string pids = read_control(directory, "cgroup.procs").value_or("");
  for (const std::string_view line : split(pids, '\n')) {
    const auto pid = parse_decimal(line);
    // 0 stands for processes of a pid namespace that is out of sight.
    if (!pid || *pid == 0 || *pid > std::numeric_limits<pid_t>::max()) continue;
    all.push_back(static_cast<pid_t>(*pid));
  }
}

}  // namespace

void for_each_cgroup(int directory, const std::function<void(int directory)>& use) noexcept {
  try {
    use(directory);
    if (!may_have_children(directory)) return;
    for (const DirEntry& entry : list_dir(directory)) {
      const Fd child(
          ::openat(directory, entry.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (child) for_each_cgroup(child.get(), use);
    }
  } catch (const std::exception&) {
    return;  // it went away meanwhile
  }
}

std::vector<pid_t> list_processes(int directory) noexcept {
  std::vector<pid_t> all;
  for_each_cgroup(directory, [&](int each) { append_processes(each, all); });
  std::sort(all.begin(), all.end());
  // One that moves while they are listed is seen twice.
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

std::size_t signal_processes(int directory, int signal_number) noexcept {
  std::size_t reached = 0;
  for (const pid_t pid : list_processes(directory)) {
    if (::kill(pid, signal_number) == 0) ++reached;
  }
  return reached;
}

bool has_processes(int directory) noexcept {
  bool found = false;
  for_each_cgroup(directory, [&](int each) {
    // Not their numbers: those of a namespace out of sight count, too.
    found = found || !read_control(each, "cgroup.procs").value_or("").empty();
  });
  return found;
}

}  // namespace layerkit::runner
