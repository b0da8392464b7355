#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "child.h"

namespace layerkit::runner {
namespace {

/// The multiplexer of the container's devpts: nothing else, whatever lies at that path.
int open_multiplexer(const ChildPlan& plan, int root) noexcept {
  open_how how{};
  how.flags = O_RDWR | O_NOCTTY | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const auto fd = static_cast<int>(::syscall(SYS_openat2, root, "dev/pts/ptmx", &how, sizeof(how)));
  check(plan, fd, Step::OpenTerminal);
  struct stat stat {};
  struct statfs fs {};
  check(plan, ::fstat(fd, &stat), Step::OpenTerminal);
  check(plan, ::fstatfs(fd, &fs), Step::OpenTerminal);
  if (fs.f_type != DEVPTS_SUPER_MAGIC || !S_ISCHR(stat.st_mode) ||
      stat.st_rdev != ::makedev(5, 2)) {
    give_up_because(plan, Step::OpenTerminal, 0,
                    "'/dev/pts/ptmx' is not that of a devpts file system");
  }
  return fd;
}

}  // namespace

int open_terminal(const ChildPlan& plan, int root) noexcept {
  const int master = open_multiplexer(plan, root);
  const int unlock = 0;
  check(plan, ::syscall(SYS_ioctl, master, TIOCSPTLCK, &unlock), Step::OpenTerminal);
  // By the master's descriptor: no path that somebody could replace (CVE-2025-52565).
  const auto slave =
      static_cast<int>(::syscall(SYS_ioctl, master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  check(plan, slave, Step::OpenTerminal);
  if (plan.terminal_rows != 0 || plan.terminal_columns != 0) {
    winsize size{};
    size.ws_row = plan.terminal_rows;
    size.ws_col = plan.terminal_columns;
    check(plan, ::syscall(SYS_ioctl, slave, TIOCSWINSZ, &size), Step::OpenTerminal);
  }
  // It is the user's.
  const long owned = ::syscall(SYS_fchown, slave, plan.uid, -1);
  if (owned < 0 && errno != EPERM && errno != EINVAL) check(plan, owned, Step::OpenTerminal);
  Report report;
  report.step = Step::Terminal;
  send_report(plan, report, master);
  ::syscall(SYS_close, master);
  // Whoever has it now sets it up before anything is written to it.
  await_byte(plan);
  return slave;
}

void take_terminal(const ChildPlan& plan, int slave) noexcept {
  check(plan, ::syscall(SYS_ioctl, slave, TIOCSCTTY, 0), Step::Console);
  for (int fd = 0; fd < 3; ++fd)
    check(plan, ::syscall(SYS_dup3, slave, fd, 0), Step::Console);
  ::syscall(SYS_close, slave);
}

}  // namespace layerkit::runner
