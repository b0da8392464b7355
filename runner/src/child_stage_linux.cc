#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "child.h"

namespace layerkit::runner {
namespace {

/// A namespace may belong to the caller's user namespace or to the one that is joined, too: those
/// that refuse now are asked again from in there.
void join_namespaces(const ChildPlan& plan) noexcept {
  bool refused[kNamespaceKinds] = {};
  for (std::size_t i = 0; i < plan.namespaces.size(); ++i) {
    const PlannedJoin& join = plan.namespaces[i];
    if (::syscall(SYS_setns, join.fd, join.type) == 0) continue;
    // The user namespace comes last.
    const bool is_user = (join.type & CLONE_NEWUSER) != 0;
    if (errno != EPERM || is_user) give_up(plan, Step::JoinNamespace, i, errno);
    refused[i] = true;
  }
  for (std::size_t i = 0; i < plan.namespaces.size(); ++i) {
    if (!refused[i]) continue;
    const PlannedJoin& join = plan.namespaces[i];
    check(plan, ::syscall(SYS_setns, join.fd, join.type), Step::JoinNamespace, i);
  }
}

void make_user_namespace(const ChildPlan& plan) noexcept {
  check(plan, ::syscall(SYS_unshare, CLONE_NEWUSER), Step::UserNamespace);
  Report request;
  request.step = Step::NeedsMappings;
  send_report(plan, request, -1);
  await_byte(plan);
  if (plan.has_mapped_root) become_root(plan);
}

/// The file that gets the offsets of a time namespace to come: later, when the ids have changed, it
/// is not ours any more.
int open_time_offsets(const ChildPlan& plan) noexcept {
  if (plan.time_offsets == nullptr) return -1;
  const auto file = static_cast<int>(
      ::syscall(SYS_openat, AT_FDCWD, "/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC, 0));
  check(plan, file, Step::TimeNamespace);
  return file;
}

/// Its offsets must be there before the first process is.
void make_time_namespace(const ChildPlan& plan, int offsets) noexcept {
  check(plan, ::syscall(SYS_unshare, CLONE_NEWTIME), Step::TimeNamespace);
  if (offsets < 0) return;
  check(plan, ::syscall(SYS_write, offsets, plan.time_offsets, text_size(plan.time_offsets)),
        Step::TimeNamespace);
  ::syscall(SYS_close, offsets);
}

}  // namespace

void run_stage(const ChildPlan& plan, pid_t* made) noexcept {
  write_oom_score(plan);
  const int offsets = open_time_offsets(plan);
  set_affinity(plan, plan.initial_cpus);
  if (!plan.namespaces.empty()) {
    // From the moment on when processes of that namespace may see this one, none may look into it
    // (CVE-2016-9962).
    check(plan, ::syscall(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0), Step::JoinNamespace);
    join_namespaces(plan);
  }
  if (plan.stage_makes_user_namespace) make_user_namespace(plan);
  if (plan.makes_time_namespace) make_time_namespace(plan, offsets);
  int pidfd = -1;
  clone_args args{};
  // A child of the caller's, as one without a stage is.
  args.flags = plan.clone_flags | CLONE_PIDFD | CLONE_PARENT | CLONE_PARENT_SETTID;
  args.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
  // So that the caller knows of it even if this process is killed now.
  args.parent_tid = reinterpret_cast<std::uintptr_t>(made);
  const long pid = ::syscall(SYS_clone3, &args, sizeof(args));
  if (pid == 0) run_child(plan);
  check(plan, pid, Step::CloneProcess);
  Report report;
  report.step = Step::Cloned;
  report.index = static_cast<std::uint32_t>(pid);
  send_report(plan, report, pidfd);
  for (;;)
    ::syscall(SYS_exit_group, 0);
}

}  // namespace layerkit::runner
