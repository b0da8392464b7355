#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "process.h"

namespace layerkit::runner {
namespace {

int write_proc_file(pid_t pid, const char* file, const std::string& text) {
  const std::string path = fmt::format("/proc/{}/{}", pid, file);
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return errno;
  return ::write(fd.get(), text.data(), text.size()) < 0 ? errno : 0;
}

std::string mapping_text(const std::vector<IdMapping>& mappings) {
  std::string text;
  for (const IdMapping& mapping : mappings) {
    text += fmt::format("{} {} {}\n", mapping.container_id, mapping.host_id, mapping.size);
  }
  return text;
}

/// A process that does nothing in a new user namespace.
class NamespaceHolder {
 public:
  NamespaceHolder() {
    clone_args args{};
    args.flags = CLONE_NEWUSER | CLONE_PIDFD;
    args.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd_);
    args.exit_signal = SIGCHLD;
    const long pid = ::syscall(SYS_clone3, &args, sizeof(args));
    if (pid == 0) {
      for (;;)
        ::syscall(SYS_ppoll, nullptr, 0, nullptr, nullptr, 0);
    }
    if (pid < 0) fail_errno(errno, "creating a user namespace for a mount");
    pid_ = static_cast<pid_t>(pid);
  }
  NamespaceHolder(const NamespaceHolder&) = delete;
  NamespaceHolder& operator=(const NamespaceHolder&) = delete;
  ~NamespaceHolder() {
    ::syscall(SYS_pidfd_send_signal, pidfd_, SIGKILL, nullptr, 0);
    siginfo_t info{};
    while (::waitid(P_PIDFD, static_cast<id_t>(pidfd_), &info, WEXITED) != 0 && errno == EINTR) {
    }
    ::close(pidfd_);
  }
  pid_t pid() const noexcept { return pid_; }

 private:
  pid_t pid_ = -1;
  int pidfd_ = -1;
};

}  // namespace

void write_id_maps(pid_t pid,
                   const std::vector<IdMapping>& uids,
                   const std::vector<IdMapping>& gids) {
  const std::string gid_text = mapping_text(gids);
  int error = write_proc_file(pid, "gid_map", gid_text);
  if (error == EPERM) {
    // Without CAP_SETGID the kernel wants setgroups off first (user_namespaces(7)).
    error = write_proc_file(pid, "setgroups", "deny");
    if (error == 0) error = write_proc_file(pid, "gid_map", gid_text);
  }
  if (error != 0) fail_errno(error, "mapping the container's group ids");
  error = write_proc_file(pid, "uid_map", mapping_text(uids));
  if (error != 0) fail_errno(error, "mapping the container's user ids");
}

Fd make_user_namespace(const std::vector<IdMapping>& uids, const std::vector<IdMapping>& gids) {
  const NamespaceHolder holder;
  write_id_maps(holder.pid(), uids, gids);
  return open_at(AT_FDCWD, fmt::format("/proc/{}/ns/user", holder.pid()), O_RDONLY);
}

}  // namespace layerkit::runner
