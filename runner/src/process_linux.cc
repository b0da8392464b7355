#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "blocked_signals.h"
#include "child.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "process.h"

namespace layerkit::runner {
namespace {

void reap(idtype_t type, int id) noexcept {
  siginfo_t info{};
  while (::waitid(type, static_cast<id_t>(id), &info, WEXITED) != 0 && errno == EINTR) {
  }
}

}  // namespace

SharedPid::~SharedPid() {
  if (place_ != nullptr) ::munmap(place_, sizeof(*place_));
}

void SharedPid::make() {
  void* const page =
      ::mmap(nullptr, sizeof(*place_), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) fail_errno(errno, "creating the container's process and namespaces");
  place_ = static_cast<pid_t*>(page);
}

Process::Process(const Plan& plan, int cgroup_directory) {
  int pidfd = -1;
  clone_args args{};
  const ChildPlan& flat = plan.flat();
  args.flags = CLONE_PIDFD | (flat.has_stage ? 0 : flat.clone_flags);
  args.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  if (cgroup_directory >= 0) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<__u64>(cgroup_directory);
  }
  if (flat.has_stage) made_.make();
  const BlockedSignals blocked;
  const long pid = ::syscall(SYS_clone3, &args, sizeof(args));
  if (pid == 0 && flat.has_stage) run_stage(flat, made_.get());
  if (pid == 0) run_child(flat);
  if (pid < 0) fail_errno(errno, "creating the container's process and namespaces");
  pid_ = static_cast<pid_t>(pid);
  pidfd_ = Fd(pidfd);
}

Process::Process(Process&& other) noexcept
    : pid_(other.pid_),
      pidfd_(std::move(other.pidfd_)),
      made_(std::move(other.made_)),
      reaped_(std::exchange(other.reaped_, true)),
      is_owned_(other.is_owned_) {}

Process::~Process() {
  if (!is_owned_) return;
  if (!reaped_) {
    ::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
    reap(P_PIDFD, pidfd_.get());
  }
  // Unreaped, it would keep the pid namespace that it is in from ending.
  const pid_t made = made_.get() == nullptr ? 0 : *made_.get();
  if (made <= 0) return;
  ::kill(made, SIGKILL);
  reap(P_PID, made);
}

void Process::adopt(pid_t pid, Fd pidfd) {
  if (!pidfd) fail(Errc::Io, "starting the container: its process came without a descriptor");
  Process stage(std::move(*this));
  stage.release();
  // It ends by itself.
  reap(P_PIDFD, stage.pidfd());
  pid_ = pid;
  pidfd_ = std::move(pidfd);
  reaped_ = false;
  is_adopted_ = true;
}

void Process::write_mappings(const std::vector<IdMapping>& uids,
                             const std::vector<IdMapping>& gids) const {
  write_id_maps(pid_, uids, gids);
}

void Process::signal(int signal_number) const {
  if (reaped_) return;
  if (::syscall(SYS_pidfd_send_signal, pidfd_.get(), signal_number, nullptr, 0) == 0) return;
  const int error = errno;
  if (error == ESRCH) return;  // it has ended
  fail_errno(error, "sending signal {} to the container", signal_number);
}

ExitStatus Process::wait() {
  siginfo_t info{};
  while (::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED) != 0) {
    if (errno != EINTR) fail_errno(errno, "waiting for the container");
  }
  reaped_ = true;
  ExitStatus status;
  if (info.si_code == CLD_EXITED) {
    status.code = info.si_status;
  } else {
    status.signal = info.si_status;
    status.code = 128 + info.si_status;
  }
  return status;
}

}  // namespace layerkit::runner
