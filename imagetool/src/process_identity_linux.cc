#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/process_identity.h"

namespace layerkit {
namespace {

std::string read_boot_id() {
  std::string id = read_file_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 128);
  while (!id.empty() && id.back() == '\n')
    id.pop_back();
  return id;
}

struct ProcessStat {
  char state = 'X';
  std::uint64_t start_time = 0;
};

/// Reads what follows the command name, which may itself hold spaces and parentheses: proc(5).
std::optional<ProcessStat> parse_stat(std::string_view text) {
  const auto name_end = text.rfind(')');
  if (name_end == std::string_view::npos || name_end + 2 > text.size()) return std::nullopt;
  const auto fields = split(text.substr(name_end + 2), ' ');
  constexpr std::size_t kStartTime = 22 - 3;  // the first of these is field 3
  if (fields.size() <= kStartTime || fields[0].empty()) return std::nullopt;
  const auto start_time = parse_decimal(fields[kStartTime]);
  if (!start_time) return std::nullopt;
  return ProcessStat{fields[0][0], *start_time};
}

std::optional<ProcessStat> read_stat(pid_t pid) {
  try {
    return parse_stat(read_file_at(AT_FDCWD, fmt::format("/proc/{}/stat", pid), 4096));
  } catch (const Error& error) {
    if (error.code() == Errc::NotFound || error.sys_errno() == ESRCH) return std::nullopt;
    throw;
  }
}

}  // namespace

std::optional<ProcessIdentity> identify_process(pid_t pid) {
  const auto stat = pid > 0 ? read_stat(pid) : std::nullopt;
  if (!stat || stat->state == 'Z' || stat->state == 'X') return std::nullopt;
  return ProcessIdentity{pid, stat->start_time, read_boot_id()};
}

ProcessIdentity own_identity() {
  const auto self = identify_process(::getpid());
  if (!self) fail(Errc::NotFound, "reading '/proc/{}/stat': no such process", ::getpid());
  return *self;
}

bool is_alive(const ProcessIdentity& process) {
  return identify_process(process.pid) == process;
}

std::optional<Fd> open_process(const ProcessIdentity& process) {
  if (process.pid <= 0) return std::nullopt;
  Fd fd(static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0)));
  const int err = errno;
  if (!fd && err == ESRCH) return std::nullopt;
  if (!fd) fail_errno(err, "opening process {}", process.pid);
  // Only now, with the descriptor held, does the comparison say which process it refers to.
  if (!is_alive(process)) return std::nullopt;
  return fd;
}

bool signal_process(int pidfd, int signal_number) {
  if (::syscall(SYS_pidfd_send_signal, pidfd, signal_number, nullptr, 0) == 0) return true;
  const int err = errno;
  if (err == ESRCH) return false;
  fail_errno(err, "sending signal {}", signal_number);
}

bool wait_for_exit(int pidfd, int timeout_ms) {
  pollfd wanted{pidfd, POLLIN, 0};
  for (;;) {
    const int ready = ::poll(&wanted, 1, timeout_ms);
    const int err = errno;
    if (ready >= 0) return ready > 0;
    // Somebody who interrupts a wait wants it to end early: the program's handler has set a flag.
    if (err == EINTR) return false;
    fail_errno(err, "waiting for a process");
  }
}

}  // namespace layerkit
