#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <exception>
#include <filesystem>
#include <thread>

#include "layerkit/base/error.h"
#include "layerkit/base/fd.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "network_namespace.h"

namespace layerkit {
namespace {

void raise_loopback() {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) fail_errno(errno, "raising the loopback interface");
  struct ifreq request {};
  std::strcpy(request.ifr_name, "lo");  // NOLINT: it fits
  request.ifr_flags = IFF_UP;
  if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0)
    fail_errno(errno, "raising the loopback interface");
}

void make_and_bind(const std::string& path) {
  if (::unshare(CLONE_NEWNET) != 0) fail_errno(errno, "creating a network namespace");
  raise_loopback();
  if (::mount("/proc/thread-self/ns/net", path.c_str(), nullptr, MS_BIND, nullptr) != 0)
    fail_errno(errno, "binding a network namespace to {}", quoted(path));
}

}  // namespace

void make_network_namespace(const std::string& path) {
  make_dirs(std::filesystem::path(path).parent_path().string(), 0700);
  open_at(AT_FDCWD, path, O_RDONLY | O_CREAT | O_EXCL, 0400);
  // A namespace belongs to a thread; this one ends with it, but for the file.
  std::exception_ptr failure;
  std::thread([&] {
    try {
      make_and_bind(path);
    } catch (...) {
      failure = std::current_exception();
    }
  }).join();
  if (!failure) return;
  ::unlink(path.c_str());
  std::rethrow_exception(failure);
}

bool remove_network_namespace(const std::string& path) {
  if (::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL &&
      errno != ENOENT) {
    fail_errno(errno, "removing the network namespace {}", quoted(path));
  }
  if (::unlink(path.c_str()) == 0) return true;
  const int err = errno;
  if (err != ENOENT) fail_errno(err, "removing the network namespace {}", quoted(path));
  return false;
}

}  // namespace layerkit
