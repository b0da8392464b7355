#include <sched.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "layerkit/base/text.h"
#include "layerkit/runner/seccomp_profile.h"

// What Docker allows: moby, profiles/seccomp/default.json, of 2026, for kernels from 4.8 on.

namespace layerkit {
namespace {

constexpr std::string_view kForAll =
    "accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown "
    "chown32 clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime "
    "clock_gettime64 clock_nanosleep clock_nanosleep_time64 close close_range connect "
    "copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old "
    "epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit "
    "exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod "
    "fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr "
    "flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate "
    "ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat "
    "get_robust_list get_thread_area getcpu getcwd getdents getdents64 getegid getegid32 geteuid "
    "geteuid32 getgid getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid "
    "getppid getpriority getrandom getresgid getresgid32 getresuid getresuid32 getrlimit getrusage "
    "getsid getsockname getsockopt gettid gettimeofday getuid getuid32 getxattr getxattrat "
    "inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy "
    "io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit ioctl ioprio_get "
    "ioprio_set ipc kill landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown "
    "lchown32 lgetxattr link linkat listen listmount listxattr listxattrat llistxattr _llseek "
    "lremovexattr lseek lsetxattr lstat lstat64 madvise map_shadow_stack membarrier memfd_create "
    "memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mprotect "
    "mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend "
    "mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock "
    "munlockall munmap name_to_handle_at nanosleep newfstatat _newselect open openat openat2 pause "
    "pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll "
    "ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease process_vm_readv "
    "process_vm_writev pselect6 pselect6_time64 ptrace pwrite64 pwritev pwritev2 read readahead "
    "readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages "
    "removexattr removexattrat rename renameat renameat2 restart_syscall riscv_hwprobe rmdir rseq "
    "rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend "
    "rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max "
    "sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler "
    "sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr "
    "sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop "
    "semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto set_robust_list "
    "set_thread_area set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 "
    "setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 "
    "setresuid setresuid32 setreuid setreuid32 setrlimit setsid setsockopt setuid setuid32 "
    "setxattr setxattrat shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 "
    "sigprocmask sigreturn socketcall socketpair splice stat stat64 statfs statfs64 statmount "
    "statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time timer_create "
    "timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 "
    "timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times "
    "tkill truncate truncate64 ugetrlimit umask uname unlink unlinkat uretprobe utime utimensat "
    "utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write writev";

struct OfCapability {
  std::string_view capability;
  std::string_view calls;
};

constexpr std::array<OfCapability, 14> kOfCapabilities = {{
    {"CAP_DAC_READ_SEARCH", "open_by_handle_at"},
    {"CAP_SYS_ADMIN",
     "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie "
     "lsm_get_self_attr lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount "
     "open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount "
     "umount2 unshare"},
    {"CAP_SYS_BOOT", "reboot"},
    {"CAP_SYS_CHROOT", "chroot"},
    {"CAP_SYS_MODULE", "delete_module init_module finit_module"},
    {"CAP_SYS_PACCT", "acct"},
    {"CAP_SYS_PTRACE",
     "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace"},
    {"CAP_SYS_RAWIO", "iopl ioperm"},
    {"CAP_SYS_TIME", "settimeofday stime clock_settime clock_settime64"},
    {"CAP_SYS_TTY_CONFIG", "vhangup"},
    {"CAP_SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"},
    {"CAP_SYSLOG", "syslog"},
    {"CAP_BPF", "bpf"},
    {"CAP_PERFMON", "perf_event_open"},
}};

#if defined(__x86_64__)
constexpr std::array<std::string_view, 3> kArchitectures = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86",
                                                            "SCMP_ARCH_X32"};
constexpr std::string_view kOfArchitecture = "arch_prctl modify_ldt";
#elif defined(__aarch64__)
constexpr std::array<std::string_view, 2> kArchitectures = {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"};
constexpr std::string_view kOfArchitecture =
    "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls";
#else
#error "Docker's profile for this architecture is not written down here"
#endif

SeccompProfile::Rule allow(std::string_view calls) {
  SeccompProfile::Rule rule;
  for (const std::string_view name : split(calls, ' '))
    rule.names.emplace_back(name);
  rule.action = "SCMP_ACT_ALLOW";
  return rule;
}

SeccompProfile::Rule allow_equal(std::string_view call, std::uint64_t value) {
  SeccompProfile::Rule rule = allow(call);
  rule.args.push_back({0, value, 0, "SCMP_CMP_EQ"});
  return rule;
}

SeccompProfile::Rule allow_masked(std::string_view call, std::uint64_t mask, std::uint64_t value) {
  SeccompProfile::Rule rule = allow(call);
  rule.args.push_back({0, mask, value, "SCMP_CMP_MASKED_EQ"});
  return rule;
}

/// All address families but AF_ALG (38) and AF_VSOCK (40). The kernel takes the lower 32 bits of
/// the argument alone, so these are what is compared: Docker's rules compare 64, and with a bit set
/// above bit 31 either family passes them.
void allow_sockets(std::vector<SeccompProfile::Rule>& rules) {
  static_assert(AF_ALG == 38 && AF_VSOCK == 40);
  struct Families {
    std::uint32_t first;
    std::uint32_t count;  ///< a power of two that `first` is a multiple of
  };
  constexpr std::array<Families, 8> kAllowed = {
      {{0, 32}, {32, 4}, {36, 2}, {39, 1}, {41, 1}, {42, 2}, {44, 4}, {48, 16}}};
  for (const auto& [first, count] : kAllowed)
    rules.push_back(allow_masked("socket", ~(count - 1), first));
}

/// PER_LINUX and PER_LINUX32, each also with UNAME26, and the question which one it is.
void allow_personalities(std::vector<SeccompProfile::Rule>& rules) {
  for (const std::uint64_t personality : {0x0U, 0x8U, 0x20000U, 0x20008U, 0xffffffffU})
    rules.push_back(allow_equal("personality", personality));
}

/// Threads and processes without new namespaces. What clone3 asks for lies in memory, where no
/// filter looks: C libraries take clone on ENOSYS.
void allow_clones(std::vector<SeccompProfile::Rule>& rules) {
  constexpr std::uint64_t kNamespaces = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                        CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP;
  rules.push_back(allow_masked("clone", kNamespaces, 0));
  SeccompProfile::Rule clone3 = allow("clone3");
  clone3.action = "SCMP_ACT_ERRNO";
  clone3.errno_ret = ENOSYS;
  rules.push_back(std::move(clone3));
}

}  // namespace

SeccompProfile default_seccomp_profile(const std::vector<std::string>& capabilities) {
  const auto has = [&](std::string_view capability) {
    return std::find(capabilities.begin(), capabilities.end(), capability) != capabilities.end();
  };
  SeccompProfile profile;
  profile.default_action = "SCMP_ACT_ERRNO";
  profile.default_errno_ret = EPERM;
  profile.architectures.assign(kArchitectures.begin(), kArchitectures.end());
  profile.syscalls.push_back(allow(kForAll));
  profile.syscalls.push_back(allow(kOfArchitecture));
  allow_sockets(profile.syscalls);
  allow_personalities(profile.syscalls);
  if (!has("CAP_SYS_ADMIN")) allow_clones(profile.syscalls);
  for (const OfCapability& each : kOfCapabilities)
    if (has(each.capability)) profile.syscalls.push_back(allow(each.calls));
  return profile;
}

}  // namespace layerkit
