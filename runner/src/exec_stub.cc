// A program of its own: freestanding and static, since it runs where no library can be trusted or
// found. Called as
//   layerkit-exec REPORT_FD COUNT CANDIDATE... ARGUMENT...
// it executes the first candidate that exists, with the arguments and its own environment. What
// goes wrong is written to REPORT_FD as a Report, which ends the process.

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "report.h"

using layerkit::runner::Report;
using layerkit::runner::Step;

#if defined(__x86_64__)
__asm__(
    ".global _start\n"
    "_start:\n"
    "  xor %ebp, %ebp\n"
    "  mov %rsp, %rdi\n"
    "  and $-16, %rsp\n"
    "  call stub_main\n"
    "  ud2\n");

static long system_call(long number, long a, long b, long c, long d) noexcept {
  long result = number;
  register long r10 __asm__("r10") = d;
  __asm__ volatile("syscall"
                   : "+a"(result)
                   : "D"(a), "S"(b), "d"(c), "r"(r10)
                   : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
__asm__(
    ".global _start\n"
    "_start:\n"
    "  mov x29, #0\n"
    "  mov x30, #0\n"
    "  mov x0, sp\n"
    "  bl stub_main\n"
    "  brk #0\n");

static long system_call(long number, long a, long b, long c, long d) noexcept {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
}
#else
#error "the exec stub knows the system calls of x86-64 and AArch64 only"
#endif

// The compiler may call these for copies and fills of its own.
extern "C" void* memset(void* target, int value, size_t size) noexcept {
  auto* bytes = static_cast<volatile unsigned char*>(target);
  for (size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<unsigned char>(value);
  return target;
}
extern "C" void* memcpy(void* target, const void* source, size_t size) noexcept {
  auto* to = static_cast<volatile unsigned char*>(target);
  const auto* from = static_cast<const unsigned char*>(source);
  for (size_t i = 0; i < size; ++i)
    to[i] = from[i];
  return target;
}

namespace {

constexpr int kMaxInterpreters = 4;  // of interpreters, as the kernel's own limit
constexpr size_t kHeader = 512;

long address(const void* pointer) noexcept {
  return reinterpret_cast<long>(pointer);
}

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

void send(int fd, const Report& report) noexcept {
  system_call(SYS_write, fd, address(&report), sizeof(report), 0);
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

/// execve said ENOENT although the file is there: finds what is missing.
[[noreturn]] void report_interpreter(int fd, uint32_t candidate, const char* path) noexcept {
  Report report;
  report.step = Step::ExecInterpreter;
  report.index = candidate;
  char current[sizeof(report.detail)] = {};
  char next[sizeof(report.detail)] = {};
  for (int depth = 0; depth < kMaxInterpreters; ++depth) {
    if (!interpreter_of(path, current, sizeof(current))) break;
    if (!exists(current)) {
      memcpy(report.detail, current, sizeof(current));
      break;
    }
    memcpy(next, current, sizeof(current));
    path = next;
  }
  send(fd, report);
  leave(127);
}

[[noreturn]] void report_error(int fd, Step step, uint32_t candidate, int error) noexcept {
  Report report;
  report.step = step;
  report.index = candidate;
  report.error = error;
  send(fd, report);
  leave(step == Step::ExecNotFound ? 127 : 126);
}

[[noreturn]] void execute(
    int fd, char** candidates, uint32_t count, char** argv, char** envp) noexcept {
  Report failure;
  failure.step = Step::ExecNotFound;
  failure.error = ENOENT;
  for (uint32_t i = 0; i < count; ++i) {
    const int error = static_cast<int>(
        -system_call(SYS_execve, address(candidates[i]), address(argv), address(envp), 0));
    if (error == ENOENT && exists(candidates[i])) report_interpreter(fd, i, candidates[i]);
    // As execvp(3): a later directory of PATH may have one that can be executed.
    if (error == ENOENT || (error == ENOTDIR && count > 1)) continue;
    if (error != EACCES) report_error(fd, Step::Exec, i, error);
    failure.step = Step::Exec;
    failure.index = i;
    failure.error = EACCES;
  }
  report_error(fd, failure.step, failure.index, failure.error);
}

}  // namespace

extern "C" [[noreturn]] void stub_main(long* stack) noexcept {
  const long argc = stack[0];
  char** const argv = reinterpret_cast<char**>(stack + 1);
  char** const envp = argv + argc + 1;
  if (argc < 5) leave(127);
  const int fd = parse_number(argv[1]);
  const long count = parse_number(argv[2]);
  if (count < 1 || count > argc - 4) leave(127);
  // Without the report there is nobody to run anything for: the container called us itself.
  if (system_call(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC, 0) < 0) leave(127);
  send(fd, Report{});
  execute(fd, argv + 3, static_cast<uint32_t>(count), argv + 3 + count, envp);
}
