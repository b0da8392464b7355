#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "bundle.h"
#include "layerkit/base/error.h"
#include "layerkit/runner/runtime.h"
#include "process.h"

namespace layerkit {
namespace runner {
namespace {

bool may_mount() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> sets{};
  if (::syscall(SYS_capget, &header, sets.data()) != 0) fail_errno(errno, "reading capabilities");
  return (sets[0].effective & (1U << unsigned{CAP_SYS_ADMIN})) != 0;
}

/// A process that stays outside, where ids can be mapped. It waits for the caller to be in its new
/// user namespace; the caller waits for what it says.
class Mapper {
 public:
  Mapper(const std::vector<IdMapping>& uids, const std::vector<IdMapping>& gids) {
    std::array<int, 2> pair{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0)
      fail_errno(errno, "creating the user namespace");
    ours_ = Fd(pair[0]);
    const Fd theirs(pair[1]);
    const pid_t caller = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) fail_errno(errno, "creating the user namespace");
    if (pid_ == 0) ours_.reset();  // else it would wait for itself
    if (pid_ == 0) map_when_told(caller, theirs.get(), uids, gids);
  }
  Mapper(const Mapper&) = delete;
  Mapper& operator=(const Mapper&) = delete;
  ~Mapper() {
    // Its end of the stream: then it has nothing to wait for.
    ours_ = Fd();
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

  void map() {
    std::array<char, kMaxText> text{};
    const char go = 1;
    ssize_t got = ::send(ours_.get(), &go, 1, MSG_NOSIGNAL);
    if (got == 1) {
      do {
        got = ::recv(ours_.get(), text.data(), text.size(), 0);
      } while (got < 0 && errno == EINTR);
    }
    if (got <= 0) fail(Errc::Io, "mapping the container's ids: the process for it has ended");
    const std::string_view said(text.data(), static_cast<std::size_t>(got));
    if (said != kDone) fail(Errc::Io, "{}", said);
  }

 private:
  static constexpr std::size_t kMaxText = 4096;
  static constexpr std::string_view kDone = "done";

  [[noreturn]] static void map_when_told(pid_t caller,
                                         int socket,
                                         const std::vector<IdMapping>& uids,
                                         const std::vector<IdMapping>& gids) {
    char go = 0;
    if (::recv(socket, &go, 1, 0) != 1) ::_exit(0);
    std::string answer(kDone);
    try {
      write_id_maps(caller, uids, gids);
    } catch (const std::exception& error) {
      answer = error.what();
    }
    ::send(socket, answer.data(), std::min(answer.size(), kMaxText), MSG_NOSIGNAL);
    ::_exit(0);
  }

  Fd ours_;
  pid_t pid_ = -1;
};

bool maps_root(const std::vector<IdMapping>& mappings) {
  return std::any_of(mappings.begin(), mappings.end(), [](const IdMapping& mapping) {
    return mapping.container_id == 0 && mapping.size > 0;
  });
}

}  // namespace
}  // namespace runner

std::optional<uid_t> enter_user_namespace(const CreateRequest& request, const Context& context) {
  using namespace runner;  // NOLINT(google-build-using-namespace)
  if (may_mount()) return std::nullopt;
  Context quiet = context;  // it is read once more
  quiet.warn = [](const std::string&) {};
  ContainerSpec spec = read_bundle_config(request.bundle, request.config, quiet).spec;
  if (!spec.namespaces.user.is_new()) {
    fail(Errc::Unsupported,
         "starting a container without the right to mount: its config.json asks for no user "
         "namespace (see 'spec --rootless')");
  }
  const uid_t owner = ::geteuid();
  if (spec.uid_mappings.empty() && spec.gid_mappings.empty()) {
    spec.uid_mappings = {{0, owner, 1}};
    spec.gid_mappings = {{0, ::getegid(), 1}};
  }
  if (!maps_root(spec.uid_mappings) || !maps_root(spec.gid_mappings)) {
    fail(Errc::Unsupported,
         "starting a container without the right to mount: id 0 is not mapped in its user "
         "namespace");
  }
  Mapper mapper(spec.uid_mappings, spec.gid_mappings);
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
    const int error = errno;
    if (error == ENOSPC || error == EPERM) {
      fail(Errc::Unsupported,
           "creating the user namespace: {}: this system lets ordinary users make none, or no more "
           "(user.max_user_namespaces)",
           errno_text(error));
    }
    fail_errno(error, "creating the user namespace");
  }
  mapper.map();
  if (::setresgid(0, 0, 0) != 0 || ::setresuid(0, 0, 0) != 0)
    fail_errno(errno, "becoming root of the user namespace");
  return owner;
}

}  // namespace layerkit
