// Runs a command and makes its N-th system call of a class fail, without the kernel doing anything;
// or kills the command there, where ERRNO is 0.
// usage: fail_at_syscall child|parent N ERRNO MARK stays|ends ONLY REPORT COMMAND [ARG...]
// Class "child": of the processes that the command makes, until they execute a program that is a
// file. Class "parent": of the command's own process, from the one on that names a path whose last
// component is MARK. N = 0 lets all succeed. ONLY: an extended regular expression; of "<class>
// <system call> <object>" those count that it matches.
// Writes lines to the file REPORT: "call <class> <system call> <object>" when one was made to fail;
// "calls <how many there were>"; "exit <code>", -1 when it had to be killed because it did not end;
// "left <processes that the command left behind>". "stays": after success its processes may live
// on; "left" is 0 then. The exit code is 0, or 2 for a failure of its own.
#include <elf.h>
#include <fcntl.h>
#include <regex.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <map>
#include <string>
#include <string_view>

#include "tracing_linux.h"

namespace {

/// What a system call is about.
enum class About {
  Nothing,
  File,   ///< its first argument is a descriptor
  Path,   ///< its first argument is a path
  Below,  ///< its second argument is a path, below the descriptor that is the first
};

struct Call {
  long number;
  const char* name;
  About about;
};

constexpr unsigned kPatience = 20;  ///< seconds for a command

#define CALL(name, about) \
  { SYS_##name, #name, About::about }

constexpr Call kCalls[] = {
    CALL(accept4, File),
    CALL(bind, File),
    CALL(bpf, Nothing),
    CALL(capget, Nothing),
    CALL(capset, Nothing),
    CALL(chdir, Path),
    CALL(chroot, Path),
    CALL(clone, Nothing),
    CALL(clone3, Nothing),
    CALL(close_range, Nothing),
    CALL(connect, File),
    CALL(dup, File),
    CALL(dup3, File),
    CALL(execve, Path),
    CALL(execveat, Below),
    CALL(faccessat, Below),
    CALL(fchdir, File),
    CALL(fchmod, File),
    CALL(fchmodat, Below),
    CALL(fchown, File),
    CALL(fchownat, Below),
    CALL(fcntl, File),
    CALL(flock, File),
    CALL(fsconfig, File),
    CALL(fsmount, File),
    CALL(fsopen, Path),
    CALL(fstat, File),
    CALL(fstatfs, File),
    CALL(ftruncate, File),
    CALL(getcwd, Nothing),
    CALL(getdents64, File),
    CALL(getrandom, Nothing),
    CALL(ioctl, File),
    CALL(ioprio_set, Nothing),
    CALL(keyctl, Nothing),
    CALL(kill, Nothing),
    CALL(linkat, Below),
    CALL(lseek, File),
    CALL(memfd_create, Path),
    CALL(mkdirat, Below),
    CALL(mknodat, Below),
    CALL(mmap, Nothing),
    CALL(mount, Nothing),
    CALL(mount_setattr, Below),
    CALL(move_mount, File),
    CALL(mprotect, Nothing),
    CALL(nanosleep, Nothing),
    CALL(newfstatat, Below),
    CALL(open_tree, Below),
    CALL(openat, Below),
    CALL(openat2, Below),
    CALL(personality, Nothing),
    CALL(pidfd_getfd, File),
    CALL(pidfd_open, Nothing),
    CALL(pidfd_send_signal, File),
    CALL(pipe2, Nothing),
    CALL(pivot_root, Path),
    CALL(ppoll, Nothing),
    CALL(prctl, Nothing),
    CALL(pread64, File),
    CALL(prlimit64, Nothing),
    CALL(pwrite64, File),
    CALL(read, File),
    CALL(readlinkat, Below),
    CALL(recvmsg, File),
    CALL(renameat, Below),
    CALL(renameat2, Below),
    CALL(rt_sigaction, Nothing),
    CALL(rt_sigprocmask, Nothing),
    CALL(sched_getaffinity, Nothing),
    CALL(sched_setaffinity, Nothing),
    CALL(sched_setattr, Nothing),
    CALL(seccomp, Nothing),
    CALL(sendfile, File),
    CALL(sendmsg, File),
    CALL(sendto, File),
    CALL(set_mempolicy, Nothing),
    CALL(setdomainname, Nothing),
    CALL(setgroups, Nothing),
    CALL(sethostname, Nothing),
    CALL(setns, File),
    CALL(setresgid, Nothing),
    CALL(setresuid, Nothing),
    CALL(setsid, Nothing),
    CALL(signalfd4, Nothing),
    CALL(socket, Nothing),
    CALL(socketpair, Nothing),
    CALL(statfs, Path),
    CALL(statx, Below),
    CALL(symlinkat, Path),
    CALL(umount2, Path),
    CALL(unlinkat, Below),
    CALL(unshare, Nothing),
    CALL(utimensat, Below),
    CALL(waitid, Nothing),
    CALL(write, File),
    CALL(writev, File),
#ifdef SYS_rename  // the older calls of x86-64, which the C library still makes
    CALL(access, Path),
    CALL(mkdir, Path),
    CALL(open, Path),
    CALL(poll, Nothing),
    CALL(readlink, Path),
    CALL(rename, Path),
    CALL(rmdir, Path),
    CALL(unlink, Path),
#endif
};

/// Those that Linux does not let fail, or that mean nothing when they do: the end of a process,
/// what only asks for something that is there, close(2), which closes even when it says EIO, and
/// the C library's own locks and giving back of memory.
constexpr long kCannotFail[] = {
    SYS_exit,         SYS_exit_group,     SYS_rt_sigreturn, SYS_restart_syscall, SYS_close,
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_umask,        SYS_getpid,          SYS_gettid,
    SYS_getuid,       SYS_geteuid,        SYS_getgid,       SYS_getegid,         SYS_clock_gettime,
    SYS_brk,          SYS_futex,          SYS_munmap,       SYS_madvise,
};

bool cannot_fail(std::uint64_t number) {
  return std::find(std::begin(kCannotFail), std::end(kCannotFail), static_cast<long>(number)) !=
         std::end(kCannotFail);
}

/// False when the process is gone: somebody killed it.
bool trace(__ptrace_request request, pid_t pid, std::uint64_t address, void* data) {
  if (::ptrace(request, pid, as_pointer(address), data) >= 0) return true;
  if (errno != ESRCH) die("ptrace");
  return false;
}

#if defined(__x86_64__)

void change_registers(pid_t pid,
                      void (*change)(user_regs_struct&, std::uint64_t),
                      std::uint64_t to) {
  user_regs_struct registers{};
  if (!trace(PTRACE_GETREGS, pid, 0, &registers)) return;
  change(registers, to);
  trace(PTRACE_SETREGS, pid, 0, &registers);
}

/// Before a call: it is one that there is not.
void skip_call(pid_t pid) {
  change_registers(
      pid, [](user_regs_struct& registers, std::uint64_t to) { registers.orig_rax = to; }, ~0ULL);
}

/// After a call.
void set_result(pid_t pid, int error) {
  change_registers(
      pid, [](user_regs_struct& registers, std::uint64_t to) { registers.rax = to; },
      static_cast<std::uint64_t>(-static_cast<std::int64_t>(error)));
}

#else

void skip_call(pid_t pid) {
  int none = -1;
  iovec data{&none, sizeof(none)};
  trace(PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &data);
}

void set_result(pid_t pid, int error) {
  user_regs_struct registers{};
  iovec data{&registers, sizeof(registers)};
  if (!trace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &data)) return;
  registers.regs[0] = static_cast<std::uint64_t>(-static_cast<std::int64_t>(error));
  trace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &data);
}

#endif

/// A text of the other process, as far as it can be read.
std::string read_text(pid_t pid, std::uint64_t address) {
  std::string text;
  while (address != 0 && text.size() < PATH_MAX) {
    std::array<char, 64> piece{};
    // Not across a page, which may be the last one.
    const std::size_t size = std::min(piece.size(), 4096 - address % 4096);
    iovec here{piece.data(), size};
    iovec there{as_pointer(address), size};
    const ssize_t got = ::process_vm_readv(pid, &here, 1, &there, 1, 0);
    if (got <= 0) break;
    const std::string_view read(piece.data(), static_cast<std::size_t>(got));
    const std::size_t end = read.find('\0');
    text += read.substr(0, end);
    if (end != std::string_view::npos) break;
    address += read.size();
  }
  return text;
}

std::string file_of(pid_t pid, std::uint64_t fd) {
  if (static_cast<int>(fd) < 0) return {};
  std::array<char, PATH_MAX> target{};
  const std::string link = "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(fd);
  const ssize_t size = ::readlink(link.c_str(), target.data(), target.size());
  return size < 0 ? std::string() : std::string(target.data(), static_cast<std::size_t>(size));
}

/// What the arguments of a call name.
std::string object_of(pid_t pid, About about, const std::uint64_t* arguments) {
  switch (about) {
    case About::File:
      return file_of(pid, arguments[0]);
    case About::Path:
      return read_text(pid, arguments[0]);
    case About::Below: {
      const std::string path = read_text(pid, arguments[1]);
      const std::string directory = path.starts_with('/') ? "" : file_of(pid, arguments[0]);
      return directory.empty() ? path : directory + "/" + path;
    }
    default:
      return std::to_string(static_cast<std::int64_t>(arguments[0])) + " " +
             std::to_string(static_cast<std::int64_t>(arguments[1]));
  }
}

/// A program that is no file: one of the command's own.
bool executes_memory(pid_t pid) {
  std::array<char, PATH_MAX> target{};
  const std::string link = "/proc/" + std::to_string(pid) + "/exe";
  const ssize_t size = ::readlink(link.c_str(), target.data(), target.size());
  return size > 0 &&
         std::string_view(target.data(), static_cast<std::size_t>(size)).starts_with("/memfd:");
}

struct Options {
  bool is_for_children = false;
  std::uint64_t fail_at = 0;
  int error = 0;
  std::string mark;
  const regex_t* only = nullptr;
  bool may_stay = false;
};

class Tracer {
 public:
  Tracer(pid_t command, Options options) : command_(command), options_(std::move(options)) {}

  /// The lines for the report.
  std::string run() {
    int exit_code = -1;
    while (exit_code < 0) {
      int status = 0;
      const pid_t pid = ::waitpid(-1, &status, __WALL);
      if (pid < 0 && errno == EINTR) return kill_all();
      if (pid < 0) die("waitpid");
      if (WIFSTOPPED(status)) {
        go_on(pid, status);
        continue;
      }
      tasks_.erase(pid);
      if (pid == command_) exit_code = exit_code_of(status);
    }
    return lines(exit_code, options_.may_stay && (exit_code == 0 || options_.error == 0)
                                ? let_go()
                                : await_ends());
  }

 private:
  std::string lines(int exit_code, std::size_t left) const {
    return failed_ + "calls " + std::to_string(calls_) + "\nexit " + std::to_string(exit_code) +
           "\nleft " + std::to_string(left);
  }

  std::string kill_all() const {
    for (const auto& [pid, task] : tasks_)
      ::kill(pid, SIGKILL);
    while (::waitpid(-1, nullptr, __WALL) > 0) {
    }
    return lines(-1, 0);
  }

  struct Task {
    bool is_failing = false;  ///< the call it is in
  };

  void go_on(pid_t pid, int status) {
    const int event = status >> 16;
    Task& task = tasks_[pid];
    std::uint64_t signal = 0;
    if (event == PTRACE_EVENT_EXEC && pid != command_ && !executes_memory(pid)) {
      tasks_.erase(pid);
      trace(PTRACE_DETACH, pid, 0, nullptr);
      return;
    }
    if (event == 0 && WSTOPSIG(status) == kSystemCallStop) {
      at_call(pid, task);
    } else if (event == 0) {
      signal = static_cast<std::uint64_t>(WSTOPSIG(status));
    }
    // Those whose calls do not count run at full speed.
    const bool is_watched = task.is_failing || (failed_.empty() && is_of_class(pid));
    trace(is_watched ? PTRACE_SYSCALL : PTRACE_CONT, pid, 0, as_pointer(signal));
  }

  bool is_of_class(pid_t pid) const { return (pid != command_) == options_.is_for_children; }

  void at_call(pid_t pid, Task& task) {
    __ptrace_syscall_info info{};
    if (!trace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info)) return;
    if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
      if (task.is_failing) set_result(pid, options_.error);
      task.is_failing = false;
      return;
    }
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY) return;
    const bool is_child = pid != command_;
    if (!is_of_class(pid) || cannot_fail(info.entry.nr)) return;
    const auto* const call = std::find_if(std::begin(kCalls), std::end(kCalls), [&](const Call& c) {
      return static_cast<std::uint64_t>(c.number) == info.entry.nr;
    });
    const bool is_known = call != std::end(kCalls);
    if (!is_child && !is_marked_ && !(is_known && names_mark(pid, *call, info.entry.args))) return;
    is_marked_ = true;
    const auto what = [&] {
      return std::string(is_child ? "child " : "parent ") +
             (is_known ? call->name : "call-" + std::to_string(info.entry.nr)) + " " +
             object_of(pid, is_known ? call->about : About::Nothing, info.entry.args);
    };
    if (options_.only != nullptr && ::regexec(options_.only, what().c_str(), 0, nullptr, 0) != 0)
      return;
    if (++calls_ != options_.fail_at) return;
    failed_ = "call " + what() + "\n";
    if (options_.error == 0) {
      ::kill(command_, SIGKILL);
      return;
    }
    skip_call(pid);
    task.is_failing = true;
  }

  bool names_mark(pid_t pid, const Call& call, const std::uint64_t* arguments) const {
    if (call.about != About::Path && call.about != About::Below) return false;
    const std::string path = read_text(pid, arguments[call.about == About::Below ? 1 : 0]);
    return path == options_.mark || path.ends_with("/" + options_.mark);
  }

  /// Processes that ended, or are being killed, take a moment to go. How many do not.
  std::size_t await_ends() {
    constexpr int kMilliseconds = 5000;
    for (int i = 0; i < kMilliseconds;) {
      int status = 0;
      const pid_t pid = ::waitpid(-1, &status, __WALL | WNOHANG);
      if (pid < 0) return 0;  // there are no more
      if (pid > 0 && WIFSTOPPED(status)) go_on(pid, status);
      if (pid > 0) continue;
      const timespec one_millisecond = {0, 1'000'000};
      ::nanosleep(&one_millisecond, nullptr);
      ++i;
    }
    return std::max<std::size_t>(tasks_.size(), 1);
  }

  std::size_t let_go() {
    for (const auto& [pid, task] : tasks_) {
      int status = 0;
      if (!trace(PTRACE_INTERRUPT, pid, 0, nullptr)) continue;
      if (::waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status))
        trace(PTRACE_DETACH, pid, 0, nullptr);
    }
    return 0;
  }

  pid_t command_;
  Options options_;
  std::map<pid_t, Task> tasks_;
  std::uint64_t calls_ = 0;
  bool is_marked_ = false;
  std::string failed_;
};

pid_t start(char** command) {
  // What is left of the command comes here, and not to another process that does not know of it.
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) die("prctl");
  int gate[2] = {-1, -1};
  if (::pipe2(gate, O_CLOEXEC) != 0) die("pipe");
  const pid_t child = ::fork();
  if (child < 0) die("fork");
  if (child == 0) {
    char byte = 0;
    ::close(gate[1]);
    // The end of the stream: it is traced.
    if (::read(gate[0], &byte, 1) != 0) die("read");
    ::execvp(command[0], command);
    die(command[0]);
  }
  constexpr std::uint64_t kOptions = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE |
                                     PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC |
                                     PTRACE_O_EXITKILL;
  int status = 0;
  if (!trace(PTRACE_SEIZE, child, 0, as_pointer(kOptions)) ||
      !trace(PTRACE_INTERRUPT, child, 0, nullptr) || ::waitpid(child, &status, 0) != child ||
      !trace(PTRACE_SYSCALL, child, 0, nullptr)) {
    die("starting the command");
  }
  ::close(gate[0]);
  ::close(gate[1]);
  return child;
}

/// Whatever waits then is told EINTR.
void interrupt_after(unsigned seconds) {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  if (::sigaction(SIGALRM, &action, nullptr) != 0) die("sigaction");
  ::alarm(seconds);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 9) {
    static_cast<void>(
        std::fputs("usage: fail_at_syscall child|parent N ERRNO MARK stays|ends "
                   "ONLY REPORT COMMAND [ARG...]\n",
                   stderr));
    return 2;
  }
  Options options;
  options.is_for_children = std::strcmp(argv[1], "child") == 0;
  options.fail_at = std::strtoull(argv[2], nullptr, 10);
  options.error = static_cast<int>(std::strtol(argv[3], nullptr, 10));
  options.mark = argv[4];
  options.may_stay = std::strcmp(argv[5], "stays") == 0;
  regex_t only{};
  if (::regcomp(&only, argv[6], REG_EXTENDED | REG_NOSUB) != 0) die(argv[6]);
  if (*argv[6] != '\0') options.only = &only;
  Tracer tracer(start(argv + 8), std::move(options));
  interrupt_after(kPatience);
  write_report(argv[7], tracer.run());
  ::regfree(&only);
  return 0;
}
