// A program of its own: freestanding and static, since it runs where no library can be trusted or
// found. Called as
//   layerkit-exec REPORT_FD GATE_FD SECCOMP_FD SECCOMP_FLAGS PROC_FD PROFILE COUNT CANDIDATE...
//                 ARGUMENT...
// it executes the first candidate that exists, with the arguments and its own environment; first it
// asks for the AppArmor profile by the proc file system PROC_FD, waits for a byte of GATE_FD and
// loads the filter in SECCOMP_FD, where these are not 0. What goes wrong is written to REPORT_FD as
// a Report, which ends the process; behind the gate nobody listens there any more, so standard
// error gets it.

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "freestanding.h"
#include "report.h"

using layerkit::runner::address;
using layerkit::runner::length;
using layerkit::runner::Report;
using layerkit::runner::Step;
using layerkit::runner::system_call;

namespace {

constexpr int kMaxInterpreters = 4;  // of interpreters, as the kernel's own limit
constexpr size_t kHeader = 512;
constexpr size_t kMaxFilter = 4096;   // BPF_MAXINSNS
constexpr size_t kMaxProfile = 4000;  // the kernel takes a page

struct Call {
  int report;
  int gate;
  int seccomp;
  unsigned seccomp_flags;
  int proc;
  const char* profile;
  uint32_t count;
  char** candidates;
  char** argv;
  char** envp;
};

bool is_past_gate = false;
sock_filter filter[kMaxFilter];
char profile_text[kMaxProfile + 8];

[[noreturn]] void leave(int code) noexcept {
  for (;;)
    system_call(SYS_exit_group, code, 0, 0, 0);
}

int parse_number(const char* text) noexcept {
  int value = 0;
  if (*text == '\0') leave(127);
  for (; *text != '\0'; ++text) {
    if (*text < '0' || *text > '9' || value > 100'000'000) leave(127);
    value = value * 10 + (*text - '0');
  }
  return value;
}

/// Nobody would answer what did not arrive. The end of this process tells that something is wrong.
void send(int fd, const Report& report) noexcept {
  if (system_call(SYS_write, fd, address(&report), sizeof(report), 0) < 0) leave(125);
}

void say(const char* text) noexcept {
  system_call(SYS_write, 2, address(text), static_cast<long>(length(text)), 0);
}

void say_number(int number) noexcept {
  char digits[12];
  size_t at = sizeof(digits) - 1;
  digits[at] = '\0';
  do {
    digits[--at] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number > 0 && at > 0);
  say(digits + at);
}

const char* reason(int error) noexcept {
  switch (error) {
    case ENOENT:
      return "no such file or directory";
    case EACCES:
      return "permission denied";
    case ENOEXEC:
      return "exec format error";
    case EISDIR:
      return "is a directory";
    case ENOMEM:
      return "cannot allocate memory";
    case E2BIG:
      return "argument list too long";
    default:
      return nullptr;
  }
}

void say_error(int error) noexcept {
  if (const char* text = reason(error)) {
    say(text);
  } else {
    say("error ");
    say_number(error);
  }
}

/// One line for whoever reads the container's output.
void tell(const char* path, const Report& failure) noexcept {
  say("exec ");
  say(path);
  say(": ");
  if (failure.step == Step::ExecInterpreter) {
    say("its interpreter or loader ");
    say(failure.detail);
    say(" does not exist in the container");
  } else {
    say_error(failure.error);
  }
  if (failure.error == ENOEXEC && failure.detail[0] != '\0') {
    say(": ");
    say(failure.detail);
  }
  say("\n");
}

int open_file(const char* path) noexcept {
  return static_cast<int>(
      system_call(SYS_openat, AT_FDCWD, address(path), O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0));
}

bool exists(const char* path) noexcept {
  return system_call(SYS_faccessat, AT_FDCWD, address(path), 0 /* F_OK */, 0) != -ENOENT;
}

size_t read_at(int fd, char* buffer, size_t size, uint64_t offset) noexcept {
  const long got = system_call(SYS_pread64, fd, address(buffer), static_cast<long>(size),
                               static_cast<long>(offset));
  return got < 0 ? 0 : static_cast<size_t>(got);
}

/// "#! /bin/sh -e" -> "/bin/sh".
bool script_interpreter(char* header, size_t size, char* path, size_t path_size) noexcept {
  size_t at = 2;
  while (at < size && (header[at] == ' ' || header[at] == '\t'))
    ++at;
  size_t length = 0;
  for (; at < size && length + 1 < path_size; ++at, ++length) {
    const char c = header[at];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\0') break;
    path[length] = c;
  }
  path[length] = '\0';
  return length > 0;
}

bool elf_interpreter(int fd, const char* header, char* path, size_t path_size) noexcept {
  Elf64_Ehdr elf;
  memcpy(&elf, header, sizeof(elf));
  if (elf.e_ident[EI_CLASS] != ELFCLASS64 || elf.e_phentsize != sizeof(Elf64_Phdr)) return false;
  for (unsigned i = 0; i < elf.e_phnum; ++i) {
    Elf64_Phdr segment;
    char bytes[sizeof(segment)];
    if (read_at(fd, bytes, sizeof(bytes), elf.e_phoff + i * sizeof(segment)) != sizeof(bytes)) {
      return false;
    }
    memcpy(&segment, bytes, sizeof(segment));
    if (segment.p_type != PT_INTERP) continue;
    const size_t size = segment.p_filesz < path_size - 1 ? segment.p_filesz : path_size - 1;
    path[read_at(fd, path, size, segment.p_offset)] = '\0';
    return path[0] != '\0';
  }
  return false;
}

/// The program or loader that the file at `path` names for its execution.
bool interpreter_of(const char* path, char* interpreter, size_t size) noexcept {
  const int fd = open_file(path);
  if (fd < 0) return false;
  char header[kHeader] = {};
  const size_t got = read_at(fd, header, sizeof(header), 0);
  bool found = false;
  if (got > 2 && header[0] == '#' && header[1] == '!') {
    found = script_interpreter(header, got, interpreter, size);
  } else if (got >= sizeof(Elf64_Ehdr) && header[0] == ELFMAG0 && header[1] == 'E' &&
             header[2] == 'L' && header[3] == 'F') {
    found = elf_interpreter(fd, header, interpreter, size);
  }
  system_call(SYS_close, fd, 0, 0, 0);
  return found;
}

/// Which part of what leads to the program at `path` is not there: true, and its name.
bool missing_interpreter(const char* path, char* missing, size_t size) noexcept {
  char current[sizeof(Report::detail)] = {};
  char next[sizeof(Report::detail)] = {};
  for (int depth = 0; depth < kMaxInterpreters; ++depth) {
    if (!interpreter_of(path, current, sizeof(current))) return false;
    if (!exists(current)) {
      memcpy(missing, current, size < sizeof(current) ? size : sizeof(current));
      return true;
    }
    memcpy(next, current, sizeof(current));
    path = next;
  }
  return false;
}

#if defined(__x86_64__)
constexpr unsigned kMachine = EM_X86_64;
#else
constexpr unsigned kMachine = EM_AARCH64;
#endif

const char* name_of(unsigned machine) noexcept {
  switch (machine) {
    case EM_386:
      return "it is built for x86 (32 bits)";
    case EM_X86_64:
      return "it is built for x86-64";
    case EM_ARM:
      return "it is built for ARM (32 bits)";
    case EM_AARCH64:
      return "it is built for AArch64";
    case EM_RISCV:
      return "it is built for RISC-V";
    case EM_PPC64:
      return "it is built for PowerPC (64 bits)";
    case EM_S390:
      return "it is built for s390";
    default:
      return "it is built for another architecture";
  }
}

/// Why the kernel knows no way to execute the file; empty where that cannot be said.
void explain_format(const char* path, char* detail, size_t size) noexcept {
  const int fd = open_file(path);
  if (fd < 0) return;
  char header[kHeader] = {};
  const size_t got = read_at(fd, header, sizeof(header), 0);
  system_call(SYS_close, fd, 0, 0, 0);
  const char* text = "it is neither a program of this system nor a script that begins with #!";
  if (got == 0) {
    text = "it is empty";
  } else if (got >= sizeof(Elf64_Ehdr) && header[0] == ELFMAG0 && header[1] == 'E') {
    Elf64_Ehdr elf;
    memcpy(&elf, header, sizeof(elf));
    if (elf.e_machine == kMachine) return;
    text = name_of(elf.e_machine);
  }
  const size_t used = length(text) + 1;
  memcpy(detail, text, used < size ? used : size);
}

[[noreturn]] void end(const Call& call, const Report& failure) noexcept {
  if (is_past_gate) {
    tell(failure.step == Step::ExecNotFound ? call.argv[0] : call.candidates[failure.index],
         failure);
  } else {
    send(call.report, failure);
  }
  leave(failure.step == Step::ExecNotFound || failure.step == Step::ExecInterpreter ? 127 : 126);
}

/// What executing the candidate gave, in words that help.
Report failure_of(const Call& call, uint32_t candidate, int error) noexcept {
  Report report;
  report.step = Step::Exec;
  report.index = candidate;
  report.error = error;
  const char* const path = call.candidates[candidate];
  if (error == ENOENT && missing_interpreter(path, report.detail, sizeof(report.detail))) {
    report.step = Step::ExecInterpreter;
  } else if (error == ENOEXEC) {
    explain_format(path, report.detail, sizeof(report.detail));
  }
  return report;
}

/// As execvp(3): a later directory of PATH may have one that can be executed.
bool may_be_elsewhere(const Call& call, int error) noexcept {
  return error == ENOENT || (error == ENOTDIR && call.count > 1);
}

Report not_found() noexcept {
  Report report;
  report.step = Step::ExecNotFound;
  report.error = ENOENT;
  return report;
}

[[noreturn]] void execute(const Call& call) noexcept {
  Report failure = not_found();
  for (uint32_t i = 0; i < call.count; ++i) {
    const char* const path = call.candidates[i];
    const int error = static_cast<int>(
        -system_call(SYS_execve, address(path), address(call.argv), address(call.envp), 0));
    const bool is_there = error == ENOENT && exists(path);
    if (may_be_elsewhere(call, error) && !is_there) continue;
    failure = failure_of(call, i, error);
    if (error != EACCES) end(call, failure);
  }
  end(call, failure);
}

/// 0 or an errno. access(2) asks for the user without its capabilities; the second call, with them,
/// is made only where it matters: a seccomp filter may know the first alone.
int may_execute(const char* path) noexcept {
  constexpr int kExecute = 1;        // X_OK
  constexpr int kEffective = 0x200;  // AT_EACCESS
  const long access = system_call(SYS_faccessat, AT_FDCWD, address(path), kExecute, 0);
  if (access != -EACCES) return static_cast<int>(-access);
  const bool may = system_call(SYS_faccessat2, AT_FDCWD, address(path), kExecute, kEffective) == 0;
  return may ? 0 : EACCES;
}

/// 0 when the file can be executed as far as one can tell without doing it, or an errno.
int try_file(const char* path) noexcept {
  const int error = may_execute(path);
  if (error != 0) return error;
  const int fd = static_cast<int>(system_call(SYS_openat, AT_FDCWD, address(path),
                                              O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_DIRECTORY, 0));
  if (fd < 0) return 0;
  system_call(SYS_close, fd, 0, 0, 0);
  return EISDIR;
}

/// Whether there is something to execute, while somebody still listens.
void check_candidates(const Call& call) noexcept {
  Report failure = not_found();
  for (uint32_t i = 0; i < call.count; ++i) {
    int error = try_file(call.candidates[i]);
    if (may_be_elsewhere(call, error)) continue;
    char missing[sizeof(Report::detail)] = {};
    if (error == 0 && missing_interpreter(call.candidates[i], missing, sizeof(missing)))
      error = ENOENT;
    if (error == 0) return;
    if (failure.step == Step::ExecNotFound || error != EACCES) failure = failure_of(call, i, error);
    if (error != EACCES && error != EISDIR) break;
  }
  end(call, failure);
}

/// 0 or an errno. Without somebody at the other end there is nobody to do anything for.
int await_byte(int fd, char& byte) noexcept {
  long got = 0;
  do {
    got = system_call(SYS_read, fd, address(&byte), 1, 0);
  } while (got == -EINTR);
  if (got == 0) leave(125);
  return got < 0 ? static_cast<int>(-got) : 0;
}

void pass_gate(int gate) noexcept {
  char byte = 0;
  if (const int error = await_byte(gate, byte)) {
    say("exec: waiting for the container's start: ");
    say_error(error);
    say("\n");
    leave(125);
  }
  // Sent away: its creator died before it said that it had made a container.
  if (byte != '0') leave(125);
  is_past_gate = true;
}

/// The listener, if the filter has one, is with the parent before anything waits for its answer.
void load_filter(const Call& call) noexcept {
  if (call.seccomp == 0) return;
  const long size =
      static_cast<long>(read_at(call.seccomp, reinterpret_cast<char*>(filter), sizeof(filter), 0));
  sock_fprog program{};
  program.len = static_cast<unsigned short>(static_cast<size_t>(size) / sizeof(sock_filter));
  program.filter = filter;
  const long loaded = system_call(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                                  static_cast<long>(call.seccomp_flags), address(&program), 0);
  Report report;
  report.step = Step::Seccomp;
  if (loaded < 0) {
    report.error = static_cast<int>(-loaded);
    end(call, report);
  }
  if ((call.seccomp_flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) == 0) return;
  report.step = Step::SeccompListener;
  report.index = static_cast<uint32_t>(loaded);
  send(call.report, report);
  char byte = 0;
  if (await_byte(call.report, byte) != 0) leave(125);
  system_call(SYS_close, loaded, 0, 0, 0);
}

/// Of the next exec. The file takes it only from the program that opened it, hence here.
void set_profile(const Call& call) noexcept {
  if (call.proc == 0) return;
  open_how how{};
  how.flags = O_WRONLY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS;
  long result = system_call(SYS_openat2, call.proc, address("self/attr/apparmor/exec"),
                            address(&how), sizeof(how));
  const int fd = static_cast<int>(result);
  if (fd >= 0) {
    constexpr char kExec[] = "exec ";
    constexpr size_t kPrefix = sizeof(kExec) - 1;
    const size_t size = length(call.profile);
    if (size > kMaxProfile) {
      result = -ENAMETOOLONG;
    } else {
      memcpy(profile_text, kExec, kPrefix);
      memcpy(profile_text + kPrefix, call.profile, size);
      result =
          system_call(SYS_write, fd, address(profile_text), static_cast<long>(kPrefix + size), 0);
    }
    system_call(SYS_close, fd, 0, 0, 0);
  }
  if (result >= 0) return;
  Report report;
  report.step = Step::AppArmor;
  report.error = static_cast<int>(-result);
  end(call, report);
}

/// What this process holds is the runtime's, until the next exec.
void hide_from_others(const Call& call) noexcept {
  const long result = system_call(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0);
  if (result >= 0) return;
  Report report;
  report.step = Step::ExecStub;
  report.error = static_cast<int>(-result);
  end(call, report);
}

int own_descriptor(const char* text) noexcept {
  const int fd = parse_number(text);
  // Without it there is nobody to run anything for: the container called us itself.
  if (fd != 0 && system_call(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC, 0) < 0) leave(127);
  return fd;
}

}  // namespace

extern "C" [[noreturn]] void freestanding_main(long* stack) noexcept {
  constexpr int kFixed = 8;
  const long argc = stack[0];
  char** const argv = reinterpret_cast<char**>(stack + 1);
  if (argc < kFixed + 1) leave(127);
  Call call{};
  call.report = own_descriptor(argv[1]);
  call.gate = own_descriptor(argv[2]);
  call.seccomp = own_descriptor(argv[3]);
  call.seccomp_flags = static_cast<unsigned>(parse_number(argv[4]));
  call.proc = own_descriptor(argv[5]);
  call.profile = argv[6];
  const long count = parse_number(argv[7]);
  if (call.report == 0 || count < 0 || count > argc - kFixed - 1) leave(127);
  call.count = static_cast<uint32_t>(count);
  call.candidates = argv + kFixed;
  call.argv = argv + kFixed + count;
  call.envp = argv + argc + 1;
  hide_from_others(call);
  const bool listens = (call.seccomp_flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0;
  if (call.gate != 0 && count > 0) check_candidates(call);
  set_profile(call);
  if (listens) load_filter(call);
  send(call.report, Report{});
  if (call.gate != 0) pass_gate(call.gate);
  if (count == 0) leave(0);  // a container without a process
  if (!listens) load_filter(call);
  execute(call);
}
