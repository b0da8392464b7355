#pragma once

#include <sys/ptrace.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

// What the programs that trace others share.

[[noreturn]] inline void die(const char* what) {
  std::perror(what);
  std::_Exit(2);
}

/// What ptrace takes as a pointer: an address in the other process, a signal, options.
inline void* as_pointer(std::uint64_t value) {
  return reinterpret_cast<void*>(value);  // NOLINT(performance-no-int-to-ptr): ptrace wants it
}

/// What PTRACE_O_TRACESYSGOOD makes of SIGTRAP.
constexpr int kSystemCallStop = SIGTRAP | 0x80;

/// The signal that a stop delivers; stops of the tracer's own deliver none.
inline std::uint64_t signal_of(int status) {
  const auto signal = static_cast<std::uint64_t>(WSTOPSIG(status));
  return signal == SIGTRAP || signal == kSystemCallStop || signal == SIGSTOP ? 0 : signal;
}

/// As a shell has it.
inline int exit_code_of(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

inline void write_report(const char* path, const std::string& text) {
  std::FILE* file = std::fopen(path, "we");
  if (file == nullptr) die(path);
  if (std::fprintf(file, "%s\n", text.c_str()) < 0 || std::fclose(file) != 0) die(path);
}
