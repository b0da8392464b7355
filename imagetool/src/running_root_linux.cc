#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "running_root.h"

namespace layerkit {
namespace {

struct Outcome {
  int fd = -1;
  int err = 0;
  const char* step = "";
};

/// open_tree(2) clones only mounts of the caller's own namespace, so a thread of ours goes there.
/// It never comes back: it ends, and with it its view.
Outcome clone_in_namespace(int mount_namespace) noexcept {
  Outcome outcome;
  outcome.step = "unsharing the working directory";  // setns(2) wants it for mount namespaces
  if (::unshare(CLONE_FS) == 0) {
    outcome.step = "entering the mount namespace";
    if (::setns(mount_namespace, CLONE_NEWNS) == 0) {
      outcome.step = "cloning the root mount";
      outcome.fd = ::open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    }
  }
  if (outcome.fd < 0) outcome.err = errno;
  return outcome;
}

}  // namespace

Fd clone_root_of_process(pid_t pid) {
  const Fd mount_namespace = open_at(AT_FDCWD, fmt::format("/proc/{}/ns/mnt", pid), O_RDONLY);
  Outcome outcome;
  std::thread([&] { outcome = clone_in_namespace(mount_namespace.get()); }).join();
  Fd root(outcome.fd);
  if (!root) fail_errno(outcome.err, "{} of process {}", outcome.step, pid);
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  if (::mount_setattr(root.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) != 0) {
    const int err = errno;
    fail_errno(err, "making the root mount of process {} nosuid and nodev", pid);
  }
  return root;
}

}  // namespace layerkit
