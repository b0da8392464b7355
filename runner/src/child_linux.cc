#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/if.h>
#include <linux/keyctl.h>
#include <linux/sockios.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "child.h"

namespace layerkit::runner {
namespace {

constexpr int kSignals = 64;

/// The caller's descriptors, and those of containers it starts at the same time, end here.
void close_foreign_descriptors(const ChildPlan& plan) noexcept {
  unsigned next = 3;
  for (const int kept : plan.keep) {
    const auto fd = static_cast<unsigned>(kept);
    if (fd > next) {
      check(plan, ::syscall(SYS_close_range, next, fd - 1, 0), Step::CloseDescriptors);
    }
    next = fd + 1;
  }
  check(plan, ::syscall(SYS_close_range, next, ~0U, 0), Step::CloseDescriptors);
}

void place_standard_streams(const ChildPlan& plan) noexcept {
  for (int i = 0; i < 3; ++i) {
    check(plan, ::syscall(SYS_dup3, plan.standard[i], i, 0), Step::StandardStreams);
  }
}

/// What the caller handles or ignores is its own business. The mask was filled by the parent.
void reset_signals() noexcept {
  struct KernelAction {
    unsigned long words[4];
  };
  const KernelAction by_default{};
  for (int signal = 1; signal <= kSignals; ++signal) {
    // Fails for SIGKILL and SIGSTOP only.
    ::syscall(SYS_rt_sigaction, signal, &by_default, nullptr, 8UL);
  }
  const std::uint64_t none = 0;
  ::syscall(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, &none, nullptr, 8UL);
}

/// The parent writes the id maps and sends one byte; then this process is root in its namespace.
void enter_user_namespace(const ChildPlan& plan) noexcept {
  if (plan.waits_for_mappings) await_byte(plan);
  if (plan.waits_for_mappings && plan.has_mapped_root) become_root(plan);
  if (!plan.may_have_mapped_root) return;
  // EINVAL: that namespace maps no root.
  ::syscall(SYS_setresgid, 0, 0, 0);
  ::syscall(SYS_setresuid, 0, 0, 0);
}

/// The caller's affinity is its own business, and one from before the process was in its cgroup
/// would stay though the cpuset has more (Linux 6.2). The kernel takes those that are there and in
/// the cpuset; one that refuses leaves what is inherited.
void use_all_cpus() noexcept {
  constexpr std::size_t kMost = 8192;  // CONFIG_NR_CPUS
  unsigned char all[kMost / 8];
  for (unsigned char& byte : all)
    byte = 0xff;
  ::syscall(SYS_sched_setaffinity, 0, sizeof(all), all);
}

/// Before the cgroup namespace: its root is the cgroup of that moment.
void join_cgroups(const ChildPlan& plan) noexcept {
  for (std::size_t i = 0; i < plan.join.size(); ++i) {
    check(plan, ::syscall(SYS_write, plan.join[i], "0", 1UL), Step::JoinCgroup, i);
  }
  if (plan.final_cpus.bytes != 0) {
    set_affinity(plan, plan.final_cpus);
  } else {
    use_all_cpus();
  }
  if (plan.unshares_cgroup) {
    check(plan, ::syscall(SYS_unshare, CLONE_NEWCGROUP), Step::CgroupNamespace);
  }
}

void raise_loopback(const ChildPlan& plan) noexcept {
  const long fd = ::syscall(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  check(plan, fd, Step::Loopback);
  ifreq request{};
  request.ifr_name[0] = 'l';
  request.ifr_name[1] = 'o';
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  check(plan, ::syscall(SYS_ioctl, fd, SIOCSIFFLAGS, &request), Step::Loopback);
  ::syscall(SYS_close, fd);
}

void isolate(const ChildPlan& plan) noexcept {
  // Until the exec: our memory is a copy of the caller's.
  check(plan, ::syscall(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0), Step::Session);
  check(plan, ::syscall(SYS_setsid), Step::Session);
  if (plan.new_keyring) {
    // Else the container would share the keys of the caller's session.
    const long keyring = ::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr);
    if (keyring < 0 && errno != ENOSYS) give_up(plan, Step::Keyring, 0, errno);
  }
  if (plan.hostname != nullptr) {
    check(plan, ::syscall(SYS_sethostname, plan.hostname, plan.hostname_size), Step::Hostname);
  }
  if (plan.domainname != nullptr) {
    check(plan, ::syscall(SYS_setdomainname, plan.domainname, plan.domainname_size),
          Step::Domainname);
  }
  if (plan.network >= 0) {
    check(plan, ::syscall(SYS_setns, plan.network, CLONE_NEWNET), Step::NetworkNamespace);
  }
  if (plan.raises_loopback) raise_loopback(plan);
}

/// The descriptors that the process gets beside its streams: 3, 4, ... Those of the plan all lie
/// above them.
void place_preserved(const ChildPlan& plan) noexcept {
  int next = 3;
  for (std::size_t i = 0; i < plan.preserved.size(); ++i, ++next) {
    if (plan.preserved[i] < 0) continue;
    check(plan, ::syscall(SYS_dup3, plan.preserved[i], next, 0), Step::PreservedDescriptor, i);
  }
}

/// The user of the process may open them anew, as /proc/self/fd/1. Devices stay as they are: others
/// use them, too; and so does a file that it only reads.
void give_streams_away(const ChildPlan& plan) noexcept {
  for (int fd = 0; fd < 3; ++fd) {
    struct stat stat {};
    if (::fstat(fd, &stat) != 0) continue;
    const mode_t type = stat.st_mode & S_IFMT;
    const bool is_read_only = (::syscall(SYS_fcntl, fd, F_GETFL) & O_ACCMODE) == O_RDONLY;
    const bool is_ours = stat.st_uid == plan.uid && stat.st_gid == plan.gid;
    if (is_ours || (type == S_IFREG && is_read_only)) continue;
    if (type != S_IFREG && type != S_IFIFO && type != S_IFSOCK) continue;
    // A file system that knows no owners, or not these.
    ::syscall(SYS_fchown, fd, plan.uid, plan.gid);
  }
}

/// What the stub inherits, and nothing else.
void arrange_descriptors(const ChildPlan& plan) noexcept {
  place_preserved(plan);
  const auto first = static_cast<unsigned>(3 + plan.preserved.size());
  check(plan, ::syscall(SYS_close_range, first, ~0U, CLOSE_RANGE_CLOEXEC), Step::CloseDescriptors);
  // The stub uses them and closes them on exec.
  for (const int fd : plan.for_stub)
    check(plan, ::syscall(SYS_fcntl, fd, F_SETFD, 0), Step::ExecStub);
}

[[noreturn]] void execute(const ChildPlan& plan) noexcept {
  ::syscall(SYS_execveat, plan.stub, "", plan.stub_argv, plan.envp, AT_EMPTY_PATH);
  give_up(plan, Step::ExecStub, 0, errno);
}

[[noreturn]] void send_and_exit(const ChildPlan& plan, const Report& report) noexcept {
  send_report(plan, report, -1);
  for (;;)
    ::syscall(SYS_exit_group, 125);
}

}  // namespace

std::size_t text_size(const char* text) noexcept {
  std::size_t size = 0;
  while (text[size] != '\0')
    ++size;
  return size;
}

/// Through the host's /proc, and before any change of ids: afterwards the file is not ours.
void write_oom_score(const ChildPlan& plan) noexcept {
  if (plan.oom_score == nullptr) return;
  const long fd =
      ::syscall(SYS_openat, AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC, 0);
  check(plan, fd, Step::OomScore);
  check(plan, ::syscall(SYS_write, fd, plan.oom_score, text_size(plan.oom_score)), Step::OomScore);
  ::syscall(SYS_close, fd);
}

void set_affinity(const ChildPlan& plan, const PlannedCpus& cpus) noexcept {
  if (cpus.bytes == 0) return;
  check(plan, ::syscall(SYS_sched_setaffinity, 0, cpus.bytes, cpus.words), Step::CpuAffinity);
}

void send_report(const ChildPlan& plan, const Report& report, int fd) noexcept {
  Report copy = report;
  iovec text{&copy, sizeof(copy)};
  msghdr message{};
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(fd))] = {};
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(fd));
    *reinterpret_cast<int*>(CMSG_DATA(header)) = fd;
  }
  // Nobody would answer what did not arrive. The end of this process tells that something is wrong.
  if (::syscall(SYS_sendmsg, plan.report, &message, MSG_NOSIGNAL) < 0)
    ::syscall(SYS_exit_group, 125);
}

void await_byte(const ChildPlan& plan) noexcept {
  char byte = 0;
  long got = 0;
  do {
    got = ::syscall(SYS_read, plan.report, &byte, 1UL);
  } while (got < 0 && errno == EINTR);
  // The parent gave up, or is gone: nobody listens.
  if (got != 1) ::syscall(SYS_exit_group, 125);
}

void become_root(const ChildPlan& plan) noexcept {
  check(plan, ::syscall(SYS_setresgid, 0, 0, 0), Step::MappedRoot);
  check(plan, ::syscall(SYS_setresuid, 0, 0, 0), Step::MappedRoot);
}

void give_up(const ChildPlan& plan, Step step, std::size_t index, int error) noexcept {
  Report report;
  report.step = step;
  report.index = static_cast<std::uint32_t>(index);
  report.error = error;
  send_and_exit(plan, report);
}

void give_up_because(const ChildPlan& plan,
                     Step step,
                     std::size_t index,
                     const char* reason) noexcept {
  Report report;
  report.step = step;
  report.index = static_cast<std::uint32_t>(index);
  for (std::size_t i = 0; reason[i] != '\0' && i + 1 < sizeof(report.detail); ++i) {
    report.detail[i] = reason[i];
  }
  send_and_exit(plan, report);
}

void give_up_on_hook(const ChildPlan& plan, std::size_t index, const HookEnd& end) noexcept {
  Report report;
  report.step = Step::Hook;
  report.index = static_cast<std::uint32_t>(index);
  report.hook = end;
  send_and_exit(plan, report);
}

void run_child(const ChildPlan& plan) noexcept {
  close_foreign_descriptors(plan);
  place_standard_streams(plan);
  reset_signals();
  if (plan.has_stage) {
    // The parent knows of this process before it does anything.
    await_byte(plan);
  } else {
    write_oom_score(plan);
  }
  enter_user_namespace(plan);
  join_cgroups(plan);
  isolate(plan);
  if (plan.enters_container) {
    enter_container(plan);
  } else {
    build_rootfs(plan);
  }
  if (plan.owns_streams) give_streams_away(plan);
  // What comes after a seccomp filter has to be allowed by it: as little as there can be.
  arrange_descriptors(plan);
  drop_privileges(plan);
  execute(plan);
}

}  // namespace layerkit::runner
