// The init of containers that ask for one, a program of its own: see init_program.h. Freestanding
// and static, since it runs on any root file system.

#include <errno.h>
#include <linux/prctl.h>
#include <linux/signal.h>
#include <linux/wait.h>
#include <stddef.h>
#include <stdint.h>

#include "freestanding.h"

using layerkit::runner::address;
using layerkit::runner::length;
using layerkit::runner::system_call;

namespace {

constexpr size_t kMaxPath = 4096;
constexpr const char* kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr long kMaskBytes = 8;

using Mask = uint64_t;

constexpr Mask bit(int signal_number) noexcept {
  return Mask{1} << static_cast<unsigned>(signal_number - 1);
}

/// All but those that a program brings on itself, and what stops whoever uses its terminal.
constexpr Mask kTaken = ~(bit(SIGFPE) | bit(SIGILL) | bit(SIGSEGV) | bit(SIGBUS) | bit(SIGABRT) |
                          bit(SIGTRAP) | bit(SIGSYS) | bit(SIGTTIN) | bit(SIGTTOU));

[[noreturn]] void leave(int code) noexcept {
  for (;;)
    system_call(SYS_exit_group, code, 0, 0, 0);
}

void say(const char* text) noexcept {
  system_call(SYS_write, 2, address(text), static_cast<long>(length(text)), 0);
}

const char* reason(long error) noexcept {
  switch (error) {
    case ENOENT:
      return "no such file or directory";
    case EACCES:
      return "permission denied";
    case ENOEXEC:
      return "exec format error";
    case E2BIG:
      return "argument list too long";
    case ENOMEM:
      return "cannot allocate memory";
    default:
      return "it cannot be executed";
  }
}

[[noreturn]] void fail_exec(const char* name, long error) noexcept {
  say("exec ");
  say(name);
  say(": ");
  say(reason(error));
  say("\n");
  leave(error == ENOENT ? 127 : 126);
}

bool has_slash(const char* name) noexcept {
  for (; *name != '\0'; ++name)
    if (*name == '/') return true;
  return false;
}

const char* search_path(char** envp) noexcept {
  constexpr const char* kName = "PATH=";
  const size_t size = length(kName);
  for (; *envp != nullptr; ++envp) {
    size_t at = 0;
    while (at < size && (*envp)[at] == kName[at])
      ++at;
    if (at == size) return *envp + size;
  }
  return kDefaultPath;
}

/// "DIR/name"; an empty directory is the current one. False when it does not fit.
bool join(const char* directory, size_t size, const char* name, char* path) noexcept {
  const size_t name_size = length(name);
  if (size + 1 + name_size + 1 > kMaxPath) return false;
  memcpy(path, directory, size);
  if (size > 0) path[size++] = '/';
  memcpy(path + size, name, name_size + 1);
  return true;
}

long try_execute(const char* path, char** argv, char** envp) noexcept {
  return -system_call(SYS_execve, address(path), address(argv), address(envp), 0);
}

/// As execvp(3): a later directory may have one that can be executed.
[[noreturn]] void execute(char** argv, char** envp) noexcept {
  const char* const name = argv[0];
  if (has_slash(name)) fail_exec(name, try_execute(name, argv, envp));
  char path[kMaxPath];
  long error = ENOENT;
  for (const char* at = search_path(envp);; ++at) {
    size_t size = 0;
    while (at[size] != '\0' && at[size] != ':')
      ++size;
    if (join(at, size, name, path)) {
      const long failed = try_execute(path, argv, envp);
      if (failed == EACCES) error = EACCES;
      if (failed != ENOENT && failed != ENOTDIR && failed != EACCES) fail_exec(name, failed);
    }
    at += size;
    if (*at == '\0') fail_exec(name, error);
  }
}

int exit_code_of(int status) noexcept {
  const int signal_number = status & 0x7f;
  return signal_number == 0 ? (status >> 8) & 0xff : 128 + signal_number;
}

/// Ends with the child `command`.
void reap(long command) noexcept {
  for (;;) {
    int status = 0;
    const long ended = system_call(SYS_wait4, -1, address(&status), WNOHANG | __WALL, 0);
    if (ended <= 0) return;
    if (ended == command) leave(exit_code_of(status));
  }
}

[[noreturn]] void serve(long command) noexcept {
  for (;;) {
    const long received = system_call(SYS_rt_sigtimedwait, address(&kTaken), 0, 0, kMaskBytes);
    if (received == SIGCHLD) {
      reap(command);
    } else if (received > 0) {
      system_call(SYS_kill, command, received, 0, 0);
    }
  }
}

}  // namespace

extern "C" [[noreturn]] void freestanding_main(long* stack) noexcept {
  const long argc = stack[0];
  char** const argv = reinterpret_cast<char**>(stack + 1);
  char** const envp = argv + argc + 1;
  if (argc < 3) leave(127);
  // Where it is not the first process of a pid namespace, orphans come to it all the same.
  system_call(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0);
  // Children of who ignores it are never reaped.
  const uint64_t default_action[4] = {};
  system_call(SYS_rt_sigaction, SIGCHLD, address(default_action), 0, kMaskBytes);
  Mask inherited = 0;
  system_call(SYS_rt_sigprocmask, SIG_BLOCK, address(&kTaken), address(&inherited), kMaskBytes);
  const long command = system_call(SYS_clone, SIGCHLD, 0, 0, 0);
  if (command < 0) fail_exec(argv[2], -command);
  if (command == 0) {
    system_call(SYS_rt_sigprocmask, SIG_SETMASK, address(&inherited), 0, kMaskBytes);
    execute(argv + 2, envp);
  }
  serve(command);
}
