// Runs a command, or takes a process that runs, and kills it (SIGKILL, all its threads) when it is
// about to make its N-th system call that changes a file system.
// usage: kill_at_syscall N REPORT COMMAND [ARG...]
//        kill_at_syscall N REPORT -p PID
// Writes one line to the file REPORT: "killed N <system call>", or "finished <calls> <exit code>".
// N = 0 never kills. With -p, a line "attached" on standard output says that calls count from now
// on. The exit code is 0 in both cases, 2 for a failure of its own.
#include <dirent.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "tracing_linux.h"

namespace {

/// When a system call changes a file system.
enum class When {
  Always,
  ToFile,     ///< its first argument is a descriptor of a regular file
  Clone,      ///< its second argument is FICLONE
  FromFlags,  ///< open flags, in the third argument, make or empty a file
  FromHow,    ///< the same in a struct open_how
};

struct Call {
  long number;
  const char* name;
  When when;
};

constexpr Call kCalls[] = {
    {SYS_openat, "openat", When::FromFlags},
    {SYS_openat2, "openat2", When::FromHow},
    {SYS_mkdirat, "mkdirat", When::Always},
    {SYS_mknodat, "mknodat", When::Always},
    {SYS_symlinkat, "symlinkat", When::Always},
    {SYS_linkat, "linkat", When::Always},
    {SYS_unlinkat, "unlinkat", When::Always},
    {SYS_renameat2, "renameat2", When::Always},
    {SYS_write, "write", When::ToFile},
    {SYS_writev, "writev", When::ToFile},
    {SYS_pwrite64, "pwrite64", When::ToFile},
    {SYS_pwritev, "pwritev", When::ToFile},
    {SYS_pwritev2, "pwritev2", When::ToFile},
    {SYS_sendfile, "sendfile", When::ToFile},
    {SYS_ioctl, "ioctl", When::Clone},
    {SYS_copy_file_range, "copy_file_range", When::Always},
    {SYS_splice, "splice", When::Always},
    {SYS_ftruncate, "ftruncate", When::Always},
    {SYS_fallocate, "fallocate", When::Always},
    {SYS_fchmod, "fchmod", When::Always},
    {SYS_fchmodat, "fchmodat", When::Always},
    {SYS_fchown, "fchown", When::Always},
    {SYS_fchownat, "fchownat", When::Always},
    {SYS_utimensat, "utimensat", When::Always},
    {SYS_setxattr, "setxattr", When::Always},
    {SYS_lsetxattr, "lsetxattr", When::Always},
    {SYS_fsetxattr, "fsetxattr", When::Always},
    {SYS_removexattr, "removexattr", When::Always},
    {SYS_lremovexattr, "lremovexattr", When::Always},
    {SYS_fremovexattr, "fremovexattr", When::Always},
#ifdef SYS_rename  // the older calls of x86-64, which the C library still makes
    {SYS_open, "open", When::Always},
    {SYS_creat, "creat", When::Always},
    {SYS_mkdir, "mkdir", When::Always},
    {SYS_mknod, "mknod", When::Always},
    {SYS_symlink, "symlink", When::Always},
    {SYS_link, "link", When::Always},
    {SYS_unlink, "unlink", When::Always},
    {SYS_rmdir, "rmdir", When::Always},
    {SYS_rename, "rename", When::Always},
    {SYS_renameat, "renameat", When::Always},
    {SYS_chmod, "chmod", When::Always},
    {SYS_chown, "chown", When::Always},
    {SYS_lchown, "lchown", When::Always},
    {SYS_truncate, "truncate", When::Always},
#endif
};

/// Stops the calls above for the tracer; all others run at full speed.
void install_filter() {
  std::vector<sock_filter> code;
  code.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
  for (const Call& call : kCalls) {
    code.push_back(
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call.number), 0, 1));
    code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE));
  }
  code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) die("seccomp");
}

[[noreturn]] void run_command(char** command) {
  if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) die("ptrace");
  if (::raise(SIGSTOP) != 0) die("raise");
  install_filter();
  ::execvp(command[0], command);
  die(command[0]);
}

bool makes_or_empties(std::uint64_t flags) {
  return (flags & (O_CREAT | O_TRUNC)) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
}

bool is_regular_file(pid_t pid, std::uint64_t fd) {
  const std::string path = "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(fd);
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

std::uint64_t peek(pid_t pid, std::uint64_t address) {
  errno = 0;
  const long word = ::ptrace(PTRACE_PEEKDATA, pid, as_pointer(address), nullptr);
  if (errno != 0) die("ptrace: reading memory");
  return static_cast<std::uint64_t>(word);
}

/// The call that a stopped thread is about to make, or null when it changes nothing.
const Call* changing_call(pid_t pid) {
  __ptrace_syscall_info info{};
  if (::ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) <= 0) return nullptr;
  const bool is_filtered = info.op == PTRACE_SYSCALL_INFO_SECCOMP;
  if (!is_filtered && info.op != PTRACE_SYSCALL_INFO_ENTRY) return nullptr;
  const std::uint64_t number = is_filtered ? info.seccomp.nr : info.entry.nr;
  const auto* const call = std::find_if(std::begin(kCalls), std::end(kCalls), [&](const Call& c) {
    return static_cast<std::uint64_t>(c.number) == number;
  });
  if (call == std::end(kCalls)) return nullptr;
  const auto& arguments = is_filtered ? info.seccomp.args : info.entry.args;
  switch (call->when) {
    case When::Always:
      return call;
    case When::ToFile:
      return is_regular_file(pid, arguments[0]) ? call : nullptr;
    case When::Clone:
      return arguments[1] == FICLONE ? call : nullptr;
    case When::FromFlags:
      return makes_or_empties(arguments[2]) ? call : nullptr;
    case When::FromHow:
      return makes_or_empties(peek(pid, arguments[2] + offsetof(open_how, flags))) ? call : nullptr;
  }
  return nullptr;
}

bool is_before_call(int status) {
  return status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8) ||
         (WIFSTOPPED(status) && WSTOPSIG(status) == kSystemCallStop);
}

struct Tracer {
  pid_t child = -1;
  std::uint64_t kill_at = 0;
  /// How threads go on: PTRACE_CONT where a filter stops them, PTRACE_SYSCALL where none does.
  __ptrace_request resume = PTRACE_CONT;
  std::uint64_t calls = 0;

  /// The line for the report.
  std::string run() {
    for (;;) {
      int status = 0;
      const pid_t pid = ::waitpid(-1, &status, __WALL);
      if (pid < 0) die("waitpid");
      if (WIFEXITED(status) || WIFSIGNALED(status)) {
        if (pid == child)
          return "finished " + std::to_string(calls) + " " + std::to_string(exit_code_of(status));
        continue;
      }
      if (is_before_call(status)) {
        if (const Call* call = changing_call(pid)) {
          if (++calls == kill_at) return kill(*call);
        }
      }
      ::ptrace(resume, pid, nullptr, as_pointer(signal_of(status)));
    }
  }

 private:
  std::string kill(const Call& call) const {
    if (::kill(child, SIGKILL) != 0) die("kill");
    // The program is gone, with its locks, before anybody looks at what it left.
    while (::waitpid(-1, nullptr, __WALL) > 0) {
    }
    return "killed " + std::to_string(calls) + " " + call.name;
  }
};

std::vector<pid_t> threads_of(pid_t pid) {
  DIR* dir = ::opendir(("/proc/" + std::to_string(pid) + "/task").c_str());
  if (dir == nullptr) die("opening the list of threads");
  std::vector<pid_t> threads;
  while (const dirent* entry = ::readdir(dir)) {  // NOLINT(concurrency-mt-unsafe): one thread
    const long thread = std::strtol(entry->d_name, nullptr, 10);
    if (thread > 0) threads.push_back(static_cast<pid_t>(thread));
  }
  ::closedir(dir);
  return threads;
}

/// Takes every thread. They are all stopped before any goes on, so that none is made unseen.
Tracer attach(pid_t pid, std::uint64_t kill_at) {
  constexpr std::uint64_t kOptions =
      PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;
  std::set<pid_t> taken;
  for (bool is_complete = false; !is_complete;) {
    is_complete = true;
    for (const pid_t thread : threads_of(pid)) {
      if (!taken.insert(thread).second) continue;
      is_complete = false;
      int status = 0;
      if (::ptrace(PTRACE_SEIZE, thread, nullptr, as_pointer(kOptions)) != 0 ||
          ::ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr) != 0 ||
          ::waitpid(thread, &status, __WALL) != thread) {
        die("ptrace: attaching");
      }
    }
  }
  for (const pid_t thread : taken)
    if (::ptrace(PTRACE_SYSCALL, thread, nullptr, nullptr) != 0) die("ptrace: going on");
  if (std::puts("attached") < 0 || std::fflush(stdout) != 0) die("standard output");
  return {.child = pid, .kill_at = kill_at, .resume = PTRACE_SYSCALL};
}

Tracer start(char** command, std::uint64_t kill_at) {
  const pid_t child = ::fork();
  if (child < 0) die("fork");
  if (child == 0) run_command(command);
  int status = 0;
  if (::waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) die("waitpid");
  constexpr std::uint64_t kOptions = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE |
                                     PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_EXITKILL;
  if (::ptrace(PTRACE_SETOPTIONS, child, nullptr, as_pointer(kOptions)) != 0) die("ptrace");
  if (::ptrace(PTRACE_CONT, child, nullptr, nullptr) != 0) die("ptrace");
  return {.child = child, .kill_at = kill_at};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    static_cast<void>(
        std::fputs("usage: kill_at_syscall N REPORT COMMAND [ARG...] | -p PID\n", stderr));
    return 2;
  }
  const std::uint64_t kill_at = std::strtoull(argv[1], nullptr, 10);
  const bool attaches = argc == 5 && std::strcmp(argv[3], "-p") == 0;
  Tracer tracer = attaches ? attach(static_cast<pid_t>(std::strtol(argv[4], nullptr, 10)), kill_at)
                           : start(argv + 3, kill_at);
  write_report(argv[2], tracer.run());
  return 0;
}
