#include <fcntl.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>

#include <algorithm>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "runtime_parts.h"

namespace layerkit::runner {
namespace {

/// Unset when the process has gone, or is none of the caller's business.
Fd pid_namespace_of(pid_t pid) {
  return Fd(::open(fmt::format("/proc/{}/ns/pid", pid).c_str(), O_RDONLY | O_CLOEXEC));
}

bool is_in(pid_t pid, const FileStat& wanted) {
  // ioctl_ns(2): where the caller may see no more of them, the way up ends.
  for (Fd place = pid_namespace_of(pid); place; place = Fd(::ioctl(place.get(), NS_GET_PARENT))) {
    const FileStat stat = stat_fd(place.get());
    if (stat.dev == wanted.dev && stat.ino == wanted.ino) return true;
  }
  return false;
}

}  // namespace

std::vector<pid_t> processes_around(const ContainerRecord& record) {
  const Fd place = pid_namespace_of(record.pid);
  // Looked at now: it was of this process and not of one that has its number since.
  if (state_of(record).status == ContainerStatus::Stopped) return {};
  if (!place) return {record.pid};
  const FileStat wanted = stat_fd(place.get());
  std::vector<pid_t> pids;
  const Fd proc = open_at(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY);
  for_each_in_dir(proc.get(), [&](std::string_view name) {
    const auto number = parse_decimal(name);
    if (number && is_in(static_cast<pid_t>(*number), wanted))
      pids.push_back(static_cast<pid_t>(*number));
    return true;
  });
  std::sort(pids.begin(), pids.end());
  return pids;
}

}  // namespace layerkit::runner
