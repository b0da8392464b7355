#pragma once

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "seccomp/seccomp_filter.h"

namespace layerkit::runner::testing {

/// A filter's answer by an interpreter of the instructions that filters consist of: for
/// architectures and system calls that cannot be had here.
inline std::uint32_t answer(const std::vector<sock_filter>& program, const seccomp_data& call) {
  std::uint32_t value = 0;
  for (std::size_t at = 0; at < program.size(); ++at) {
    const sock_filter& now = program[at];
    const auto jump = [&](bool holds) { at += holds ? now.jt : now.jf; };
    switch (now.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        std::memcpy(&value, reinterpret_cast<const char*>(&call) + now.k, sizeof(value));
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        value &= now.k;
        break;
      case BPF_JMP | BPF_JA:
        at += now.k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        jump(value == now.k);
        break;
      case BPF_JMP | BPF_JGT | BPF_K:
        jump(value > now.k);
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        jump(value >= now.k);
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        jump((value & now.k) != 0);
        break;
      case BPF_RET | BPF_K:
        return now.k;
      default:
        ADD_FAILURE() << "instruction " << now.code;
        return 0;
    }
  }
  ADD_FAILURE() << "the program has no end";
  return 0;
}

inline constexpr std::uint32_t kAllowed = SECCOMP_RET_ALLOW;
inline constexpr std::uint32_t kKilled = SECCOMP_RET_KILL_THREAD;
inline constexpr std::uint32_t fails_with(int error) {
  return SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error);
}

#if defined(__x86_64__)
inline constexpr std::uint32_t kNative = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
inline constexpr std::uint32_t kNative = AUDIT_ARCH_AARCH64;
#endif

inline std::uint32_t answer(const SeccompFilter& filter,
                            long number,
                            std::array<std::uint64_t, 6> arguments = {},
                            std::uint32_t architecture = kNative) {
  seccomp_data call{};
  call.nr = static_cast<int>(number);
  call.arch = architecture;
  std::copy(arguments.begin(), arguments.end(), call.args);
  return answer(filter.program, call);
}

/// 0 or the errno of a system call.
template <typename... Args>
int error_of(long number, Args... arguments) {
  return ::syscall(number, arguments...) < 0 ? errno : 0;
}

inline long load(const SeccompFilter& filter) {
  std::vector<sock_filter> program = filter.program;
  sock_fprog loaded{static_cast<unsigned short>(program.size()), program.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, filter.flags, &loaded);
}

/// How a child that loads the filter and runs `work` ends: what `work` returned, or 1000 + signal.
template <typename Work>
int run_filtered(const SeccompFilter& filter, Work&& work) {
  constexpr int kNotLoaded = 254;
  const pid_t child = ::fork();
  if (child == 0) {
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    if (load(filter) < 0) ::_exit(kNotLoaded);
    // No _exit: a sanitizer's does more than the filter allows.
    ::syscall(SYS_exit_group, work());
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_FALSE(WIFEXITED(status) && WEXITSTATUS(status) == kNotLoaded) << "the filter is refused";
  return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

inline constexpr int kBadSystemCall = 1000 + 31;  ///< SIGSYS

inline SeccompProfile::Rule rule(std::vector<std::string> names,
                                 std::string action,
                                 std::optional<std::uint32_t> errno_ret = {}) {
  SeccompProfile::Rule made;
  made.names = std::move(names);
  made.action = std::move(action);
  made.errno_ret = errno_ret;
  return made;
}

inline SeccompProfile profile_of(std::string default_action,
                                 std::vector<SeccompProfile::Rule> rules) {
  SeccompProfile profile;
  profile.default_action = std::move(default_action);
  profile.syscalls = std::move(rules);
  return profile;
}

}  // namespace layerkit::runner::testing
