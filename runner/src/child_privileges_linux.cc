#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "child.h"

namespace layerkit::runner {
namespace {

constexpr std::size_t kCapabilities = 64;

long process_control(int option, unsigned long a, unsigned long b) noexcept {
  return ::syscall(SYS_prctl, option, a, b, 0UL, 0UL);
}

void set_limits(const ChildPlan& plan) noexcept {
  for (std::size_t i = 0; i < plan.rlimits.size(); ++i) {
    const PlannedRlimit& limit = plan.rlimits[i];
    check(plan, ::syscall(SYS_prlimit64, 0, limit.resource, &limit.value, nullptr), Step::Rlimit,
          i);
  }
}

void shrink_bounding_set(const ChildPlan& plan) noexcept {
  for (std::size_t number = 0; number < kCapabilities; ++number) {
    if ((plan.bounding >> number & 1U) != 0) continue;
    const long is_there = process_control(PR_CAPBSET_READ, number, 0);
    // The kernel knows no more.
    if (is_there < 0 && errno == EINVAL && number > CAP_CHECKPOINT_RESTORE) break;
    check(plan, is_there, Step::BoundingSet, number);
    if (is_there == 0) continue;
    check(plan, process_control(PR_CAPBSET_DROP, number, 0), Step::BoundingSet, number);
  }
}

void set_capabilities(const ChildPlan& plan) noexcept {
  const auto low = [](std::uint64_t set) { return static_cast<std::uint32_t>(set); };
  const auto high = [](std::uint64_t set) { return static_cast<std::uint32_t>(set >> 32U); };
  __user_cap_header_struct header{};
  header.version = _LINUX_CAPABILITY_VERSION_3;
  const __user_cap_data_struct data[2] = {
      {low(plan.effective), low(plan.permitted), low(plan.inheritable)},
      {high(plan.effective), high(plan.permitted), high(plan.inheritable)}};
  check(plan, ::syscall(SYS_capset, &header, &data), Step::Capabilities);
  check(plan, process_control(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0), Step::Capabilities);
  for (std::size_t number = 0; number < kCapabilities; ++number) {
    if ((plan.ambient >> number & 1U) == 0) continue;
    check(plan, process_control(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number),
          Step::AmbientCapability, number);
  }
}

void change_groups(const ChildPlan& plan) noexcept {
  if (plan.keeps_groups) return;
  const long groups = ::syscall(SYS_setgroups, plan.groups.size(), plan.groups.data());
  // A user namespace may deny setgroups; the caller's groups mean nothing to it.
  const bool is_denied = groups < 0 && errno == EPERM;
  if (!is_denied || !plan.groups.empty()) check(plan, groups, Step::Groups);
}

void change_ids(const ChildPlan& plan) noexcept {
  change_groups(plan);
  check(plan, ::syscall(SYS_setresgid, plan.gid, plan.gid, plan.gid), Step::GroupId);
  check(plan, ::syscall(SYS_setresuid, plan.uid, plan.uid, plan.uid), Step::UserId);
}

/// While the process may still ask for more than its share.
void set_priorities(const ChildPlan& plan) noexcept {
  constexpr int kProcess = 1;  // IOPRIO_WHO_PROCESS
  if (plan.scheduler != nullptr)
    check(plan, ::syscall(SYS_sched_setattr, 0, plan.scheduler, 0), Step::Scheduler);
  if (plan.io_priority != nullptr)
    check(plan, ::syscall(SYS_ioprio_set, kProcess, 0, *plan.io_priority), Step::IoPriority);
  if (plan.personality != nullptr)
    check(plan, ::syscall(SYS_personality, *plan.personality), Step::Personality);
  if (const PlannedMemoryPolicy* policy = plan.memory_policy) {
    check(plan, ::syscall(SYS_set_mempolicy, policy->mode, policy->nodes, policy->bits),
          Step::MemoryPolicy);
  }
}

/// As late as it can be, since it holds for what follows, too.
void load_seccomp(const ChildPlan& plan) noexcept {
  if (plan.seccomp == nullptr) return;
  constexpr unsigned kSetFilter = 1;  // SECCOMP_SET_MODE_FILTER
  const long listener = ::syscall(SYS_seccomp, kSetFilter, plan.seccomp_flags, plan.seccomp);
  check(plan, listener, Step::Seccomp);
  if (!plan.seccomp_has_listener) return;
  Report report;
  report.step = Step::SeccompListener;
  report.index = static_cast<std::uint32_t>(listener);
  // write(2), which no profile may send to the listener: nobody would answer yet.
  if (::syscall(SYS_write, plan.report, &report, sizeof(report)) < 0)
    ::syscall(SYS_exit_group, 125);
  await_byte(plan);
  ::syscall(SYS_close, listener);
}

}  // namespace

void drop_privileges(const ChildPlan& plan) noexcept {
  ::syscall(SYS_umask, plan.umask);
  set_priorities(plan);
  set_limits(plan);
  shrink_bounding_set(plan);
  // What is left after the change of ids is decided by set_capabilities alone.
  check(plan, process_control(PR_SET_KEEPCAPS, 1, 0), Step::Capabilities);
  load_seccomp(plan);
  change_ids(plan);
  set_capabilities(plan);
  check(plan, process_control(PR_SET_KEEPCAPS, 0, 0), Step::Capabilities);
  if (plan.no_new_privileges) {
    check(plan, process_control(PR_SET_NO_NEW_PRIVS, 1, 0), Step::NoNewPrivileges);
  }
}

}  // namespace layerkit::runner
