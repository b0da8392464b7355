#include "seccomp_newer_calls.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>

#include "seccomp_words.h"

namespace layerkit::runner {
namespace {

/// In the numbers of x32's system calls; the kernel reports their architecture as x86-64.
constexpr std::uint32_t kX32Bit = 0x40000000;

/// Largest numbers of one architecture as the kernel reports it; 0: no name is known to it.
struct Newest {
  std::uint32_t call = 0;
  std::uint32_t x32_call = 0;
};

std::uint32_t newest_of(const SeccompProfile& profile, std::uint32_t architecture) {
  int newest = 0;
  for (const SeccompProfile::Rule& rule : profile.syscalls) {
    // Negative: unknown, or known to other architectures only.
    for (const std::string& name : rule.names)
      newest = std::max(newest, seccomp_syscall_resolve_name_arch(architecture, name.c_str()));
  }
  return static_cast<std::uint32_t>(newest);
}

std::map<std::uint32_t, Newest> newest_calls(const SeccompProfile& profile) {
  // Each once, however often the profile has it: all names are looked up for each.
  std::set<std::uint32_t> architectures = {seccomp_arch_native()};
  for (const std::string& word : profile.architectures)
    architectures.insert(seccomp_architecture(word));
  std::map<std::uint32_t, Newest> all;
  for (const std::uint32_t architecture : architectures) {
    if (architecture == SCMP_ARCH_X32) {
      all[AUDIT_ARCH_X86_64].x32_call = newest_of(profile, architecture);
    } else {
      all[architecture].call = newest_of(profile, architecture);
    }
  }
  return all;
}

constexpr sock_filter load(std::size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
}

constexpr sock_filter jump(unsigned test, std::uint32_t with, std::size_t yes, std::size_t no) {
  return BPF_JUMP(static_cast<std::uint16_t>(BPF_JMP | BPF_K | test), with,
                  static_cast<std::uint8_t>(yes), static_cast<std::uint8_t>(no));
}

void append(std::vector<sock_filter>& to, const std::vector<sock_filter>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

/// With the number loaded: ENOSYS above `newest`, else on to the profile's own instructions, to
/// which `leave` goes.
std::vector<sock_filter> compare(std::uint32_t newest, const sock_filter& leave) {
  if (newest == 0) return {leave};
  return {jump(BPF_JGT, newest, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
          leave};
}

/// With the architecture loaded, which another one leaves so.
std::vector<sock_filter> section(std::uint32_t architecture,
                                 const Newest& newest,
                                 const sock_filter& leave) {
  std::vector<sock_filter> body = {load(offsetof(seccomp_data, nr))};
  if (architecture == AUDIT_ARCH_X86_64) {
    const std::vector<sock_filter> x32 = compare(newest.x32_call, leave);
    body.push_back(jump(BPF_JSET, kX32Bit, 0, x32.size()));
    append(body, x32);
  }
  append(body, compare(newest.call, leave));
  body.insert(body.begin(), jump(BPF_JEQ, architecture, 0, body.size()));
  return body;
}

}  // namespace

std::vector<sock_filter> refuse_newer_calls(const SeccompProfile& profile) {
  const std::uint32_t action = seccomp_action(profile.default_action, profile.default_errno_ret);
  if (profile.default_action != "SCMP_ACT_ERRNO" || action == SCMP_ACT_ERRNO(ENOSYS)) return {};
  constexpr sock_filter kLeave = BPF_JUMP(BPF_JMP | BPF_JA, 0, 0, 0);
  std::vector<sock_filter> program = {load(offsetof(seccomp_data, arch))};
  for (const auto& [architecture, newest] : newest_calls(profile))
    if (newest.call != 0 || newest.x32_call != 0)
      append(program, section(architecture, newest, kLeave));
  if (program.size() == 1) return {};
  for (std::size_t at = 0; at < program.size(); ++at)
    if (program[at].code == kLeave.code)
      program[at].k = static_cast<std::uint32_t>(program.size() - at - 1);
  return program;
}

}  // namespace layerkit::runner
