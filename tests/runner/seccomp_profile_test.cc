#include "layerkit/runner/seccomp_profile.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>

#include "layerkit/runner/container_spec.h"
#include "seccomp_run.h"

namespace layerkit::runner {
namespace {

using testing::answer;
using testing::error_of;
using testing::fails_with;
using testing::kAllowed;
using testing::run_filtered;

SeccompFilter with(const std::vector<std::string>& capabilities) {
  return compile_seccomp(default_seccomp_profile(capabilities), Context());
}

TEST(DefaultSeccompProfileTest, OrdinaryProgramsRun) {
  const int result = run_filtered(with(default_capabilities()), [] {
    char path[] = "/bin/true";
    char* const arguments[] = {path, nullptr};
    ::execv(path, arguments);
    return 1;
  });
  EXPECT_EQ(result, 0);
}

TEST(DefaultSeccompProfileTest, WhatChangesTheHostIsRefused) {
  const SeccompFilter filter = with(default_capabilities());
  for (const long call : {SYS_mount,           SYS_umount2,
                          SYS_unshare,         SYS_setns,
                          SYS_keyctl,          SYS_add_key,
                          SYS_request_key,     SYS_bpf,
                          SYS_perf_event_open, SYS_open_by_handle_at,
                          SYS_init_module,     SYS_finit_module,
                          SYS_kexec_load,      SYS_reboot,
                          SYS_settimeofday,    SYS_clock_settime,
                          SYS_swapon,          SYS_acct,
                          SYS_pivot_root,      SYS_io_uring_setup,
                          SYS_userfaultfd,     SYS_kcmp,
                          SYS_pidfd_getfd,     SYS_move_mount,
                          SYS_open_tree,       SYS_fsopen,
                          SYS_mount_setattr,   SYS_syslog,
                          SYS_quotactl})
    EXPECT_EQ(answer(filter, call), fails_with(EPERM)) << call;
  EXPECT_EQ(answer(filter, SYS_chroot), kAllowed) << "CAP_SYS_CHROOT is a default";

  EXPECT_EQ(run_filtered(filter, [] { return error_of(SYS_mount, "", "/no", "no", 0, 0); }), EPERM);
  EXPECT_EQ(run_filtered(filter, [] { return error_of(SYS_bpf, -1, 0, 0); }), EPERM);
  EXPECT_EQ(run_filtered(filter, [] { return error_of(SYS_keyctl, -1, 0, 0, 0, 0); }), EPERM);
}

TEST(DefaultSeccompProfileTest, CapabilitiesBringTheirCalls) {
  struct Case {
    const char* capability;
    std::vector<long> calls;
  };
  for (const auto& [capability, calls] :
       {Case{"CAP_SYS_ADMIN",
             {SYS_mount, SYS_umount2, SYS_unshare, SYS_clone3, SYS_bpf, SYS_setns, SYS_syslog,
              SYS_perf_event_open, SYS_fsopen}},
        Case{"CAP_BPF", {SYS_bpf}}, Case{"CAP_PERFMON", {SYS_perf_event_open}},
        Case{"CAP_SYS_TIME", {SYS_settimeofday, SYS_clock_settime}},
        Case{"CAP_SYS_PTRACE", {SYS_kcmp, SYS_pidfd_getfd, SYS_process_madvise}},
        Case{"CAP_SYS_BOOT", {SYS_reboot}}, Case{"CAP_SYS_CHROOT", {SYS_chroot}},
        Case{"CAP_SYS_MODULE", {SYS_init_module, SYS_finit_module, SYS_delete_module}},
        Case{"CAP_SYS_PACCT", {SYS_acct}}, Case{"CAP_SYS_TTY_CONFIG", {SYS_vhangup}},
        Case{"CAP_SYS_NICE", {SYS_mbind, SYS_set_mempolicy, SYS_get_mempolicy}},
        Case{"CAP_SYSLOG", {SYS_syslog}}, Case{"CAP_DAC_READ_SEARCH", {SYS_open_by_handle_at}}}) {
    const SeccompFilter without = with({});
    const SeccompFilter filter = with({capability});
    for (const long call : calls) {
      EXPECT_NE(answer(without, call), kAllowed) << capability << " " << call;
      EXPECT_EQ(answer(filter, call), kAllowed) << capability << " " << call;
    }
  }
  // The kernel's answers, of the file system type that does not exist.
  const int error = run_filtered(with({"CAP_SYS_ADMIN"}), [] {
    return error_of(SYS_mount, "none", "/", "no-such-type", 0, 0);
  });
  EXPECT_NE(error, 0);
  if (::geteuid() == 0) {
    EXPECT_EQ(error, ENODEV);
  }
}

TEST(DefaultSeccompProfileTest, NewNamespacesNeedACapability) {
  const SeccompFilter filter = with({});
  EXPECT_EQ(answer(filter, SYS_clone, {SIGCHLD}), kAllowed);
  EXPECT_EQ(answer(filter, SYS_clone, {CLONE_VM | CLONE_THREAD | CLONE_SIGHAND}), kAllowed);
  for (const int namespace_flag : {CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER,
                                   CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWCGROUP}) {
    const auto flag = static_cast<std::uint64_t>(namespace_flag);
    EXPECT_EQ(answer(filter, SYS_clone, {flag | SIGCHLD}), fails_with(EPERM)) << flag;
    EXPECT_EQ(answer(filter, SYS_clone, {flag | 0xffff'ffff'0000'0000U}), fails_with(EPERM));
    EXPECT_EQ(answer(with({"CAP_SYS_ADMIN"}), SYS_clone, {flag}), kAllowed) << flag;
  }
  EXPECT_EQ(answer(filter, SYS_clone3), fails_with(ENOSYS));
}

TEST(DefaultSeccompProfileTest, SocketsOfTwoFamiliesAreRefused) {
  const SeccompFilter filter = with({});
  for (std::uint64_t family = 0; family < 64; ++family) {
    const std::uint32_t wanted =
        family == AF_ALG || family == AF_VSOCK ? fails_with(EPERM) : kAllowed;
    EXPECT_EQ(answer(filter, SYS_socket, {family}), wanted) << family;
    // The kernel looks at 32 bits.
    EXPECT_EQ(answer(filter, SYS_socket, {family | 1ULL << 32}), wanted) << family;
  }
  EXPECT_EQ(answer(filter, SYS_socket, {64}), fails_with(EPERM));
  EXPECT_EQ(answer(filter, SYS_socket, {0xffff'ffffU}), fails_with(EPERM));
}

TEST(DefaultSeccompProfileTest, PersonalitiesThatWeakenProtectionAreRefused) {
  const SeccompFilter filter = with({});
  for (const std::uint64_t value : {0x0U, 0x8U, 0x20000U, 0x20008U, 0xffffffffU})
    EXPECT_EQ(answer(filter, SYS_personality, {value}), kAllowed) << value;
  constexpr std::uint64_t kNoRandomAddresses = 0x40000;
  EXPECT_EQ(answer(filter, SYS_personality, {kNoRandomAddresses}), fails_with(EPERM));
  EXPECT_EQ(answer(filter, SYS_personality, {1}), fails_with(EPERM));
}

TEST(DefaultSeccompProfileTest, CallsThatNobodyKnowsDoNotExist) {
  EXPECT_EQ(answer(with({}), 1000), fails_with(ENOSYS));
  EXPECT_EQ(run_filtered(with({}), [] { return error_of(1000); }), ENOSYS);
}

#if defined(__x86_64__)
TEST(DefaultSeccompProfileTest, ProgramsOfTheSmallerAbisRunUnderTheSameRules) {
  const SeccompFilter filter = with({});
  constexpr long kGetppidOf32Bit = 64;
  constexpr long kMountOf32Bit = 21;
  constexpr long kX32 = 0x40000000;
  EXPECT_EQ(answer(filter, kGetppidOf32Bit, {}, AUDIT_ARCH_I386), kAllowed);
  EXPECT_EQ(answer(filter, kMountOf32Bit, {}, AUDIT_ARCH_I386), fails_with(EPERM));
  EXPECT_EQ(answer(filter, kX32 | SYS_getppid), kAllowed);
  EXPECT_EQ(answer(filter, kX32 | SYS_mount), fails_with(EPERM));
  EXPECT_EQ(answer(filter, 1000, {}, AUDIT_ARCH_I386), fails_with(ENOSYS));
  EXPECT_EQ(answer(filter, SYS_arch_prctl), kAllowed);
  EXPECT_EQ(answer(filter, SYS_modify_ldt), kAllowed);
}
#endif

}  // namespace
}  // namespace layerkit::runner
