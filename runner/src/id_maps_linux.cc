#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>

#include "hook.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
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

/// The program that PATH's usual directories have under that name; empty when none has it.
std::string find_program(const std::string& name) {
  for (const char* const directory : {"/usr/bin", "/usr/local/bin", "/bin", "/run/wrappers/bin"}) {
    std::string path = fmt::format("{}/{}", directory, name);
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return {};
}

/// By newuidmap(1) or newgidmap(1): they may write what /etc/subuid and /etc/subgid give the
/// caller.
void map_by_program(const char* name,
                    pid_t pid,
                    const std::vector<IdMapping>& mappings,
                    std::string_view doing) {
  const std::string path = find_program(name);
  if (path.empty())
    fail(Errc::Unsupported, "{}: {} (package uidmap) is not installed", doing, quoted(name));
  std::vector<std::string> texts = {name, std::to_string(pid)};
  for (const IdMapping& mapping : mappings) {
    for (const std::uint32_t number : {mapping.container_id, mapping.host_id, mapping.size})
      texts.push_back(std::to_string(number));
  }
  std::vector<const char*> argv;
  for (const std::string& text : texts)
    argv.push_back(text.c_str());
  argv.push_back(nullptr);
  const char* const envp[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", nullptr};
  constexpr int kTimeout = 30'000;
  const PlannedHook program{path.c_str(), argv.data(), envp, kTimeout};
  const Fd input(::memfd_create("no-input", MFD_CLOEXEC));
  const Fd output(::memfd_create("output", MFD_CLOEXEC));
  if (!input || !output) fail_errno(errno, "{}: creating a file in memory", doing);
  const HookEnd end = run_hook(program, input.get(), output.get());
  if (end.how != HookEnd::How::Succeeded) {
    fail(Errc::Io, "{}: {}: {}", doing, quoted(path),
         reason_of(end, read_hook_output(output.get())));
  }
}

/// The one mapping that an ordinary user may write: of the own id alone.
bool is_own_id(const std::vector<IdMapping>& mappings, std::uint32_t id) {
  return mappings.size() == 1 && mappings.front().size == 1 && mappings.front().host_id == id;
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

std::vector<IdMapping> read_id_map(const std::string& path) {
  std::istringstream text(read_file_at(AT_FDCWD, path, 1U << 16U));
  std::vector<IdMapping> mappings;
  IdMapping mapping;
  while (text >> mapping.container_id >> mapping.host_id >> mapping.size)
    mappings.push_back(mapping);
  return mappings;
}

void write_id_maps(pid_t pid,
                   const std::vector<IdMapping>& uids,
                   const std::vector<IdMapping>& gids) {
  constexpr std::string_view kGroups = "mapping the container's group ids";
  constexpr std::string_view kUsers = "mapping the container's user ids";
  const std::string gid_text = mapping_text(gids);
  int error = write_proc_file(pid, "gid_map", gid_text);
  if (error == EPERM && is_own_id(gids, ::getegid())) {
    // Without CAP_SETGID the kernel wants setgroups off first (user_namespaces(7)).
    error = write_proc_file(pid, "setgroups", "deny");
    if (error == 0) error = write_proc_file(pid, "gid_map", gid_text);
  }
  if (error == EPERM) {
    map_by_program("newgidmap", pid, gids, kGroups);
  } else if (error != 0) {
    fail_errno(error, "{}", kGroups);
  }
  error = write_proc_file(pid, "uid_map", mapping_text(uids));
  if (error == EPERM) {
    map_by_program("newuidmap", pid, uids, kUsers);
  } else if (error != 0) {
    fail_errno(error, "{}", kUsers);
  }
}

Fd make_user_namespace(const std::vector<IdMapping>& uids, const std::vector<IdMapping>& gids) {
  const NamespaceHolder holder;
  write_id_maps(holder.pid(), uids, gids);
  return open_at(AT_FDCWD, fmt::format("/proc/{}/ns/user", holder.pid()), O_RDONLY);
}

}  // namespace layerkit::runner
