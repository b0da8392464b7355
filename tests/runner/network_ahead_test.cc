#include "network_ahead.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iterator>

#include "expect_error.h"
#include "layerkit/base/error.h"

namespace layerkit::runner {
namespace {

using layerkit::testing::expect_error;

/// Of a new network namespace and nothing else that is new.
Namespaces only_network() {
  Namespaces all;
  for (Namespace* each : {&all.mount, &all.pid, &all.uts, &all.ipc, &all.cgroup})
    each->from = Namespace::From::Caller;
  all.network.from = Namespace::From::New;
  return all;
}

/// The exit code of a child that runs `work`.
int in_child(const std::function<int()>& work) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(work());
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

ino_t inode_of(int fd) {
  struct stat status {};
  EXPECT_EQ(::fstat(fd, &status), 0);
  return status.st_ino;
}

ino_t own_network() {
  struct stat status {};
  EXPECT_EQ(::stat("/proc/self/ns/net", &status), 0);
  return status.st_ino;
}

bool is_loopback_up() {
  const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  return ::ioctl(socket.get(), SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP) != 0;
}

std::ptrdiff_t open_descriptors() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                       std::filesystem::directory_iterator());
}

bool has_children() {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0 || errno != ECHILD;
}

bool has_two_cpus() {
  cpu_set_t cpus;
  return ::sched_getaffinity(0, sizeof(cpus), &cpus) == 0 && CPU_COUNT(&cpus) > 1;
}

class NetworkAheadTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!has_two_cpus()) GTEST_SKIP() << "needs two processors";
  }
};

TEST_F(NetworkAheadTest, IsANewOneWithItsLoopbackUp) {
  NetworkAhead ahead(only_network());
  const Fd network = ahead.take();
  ASSERT_TRUE(network);
  EXPECT_NE(inode_of(network.get()), own_network());
  EXPECT_EQ(::fcntl(network.get(), F_GETFD), FD_CLOEXEC);
  const int result = in_child(
      [&] { return ::setns(network.get(), CLONE_NEWNET) == 0 && is_loopback_up() ? 0 : 1; });
  EXPECT_EQ(result, 0);
  EXPECT_FALSE(has_children());
}

TEST_F(NetworkAheadTest, LeavesNothingBehindWhenItIsNotTaken) {
  const std::ptrdiff_t before = open_descriptors();
  { const NetworkAhead ahead(only_network()); }
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_FALSE(has_children());
}

/// Whoever waits for any child of the caller's meanwhile does not get it.
TEST_F(NetworkAheadTest, IsNoChildToOthers) {
  NetworkAhead ahead(only_network());
  EXPECT_EQ(::waitpid(-1, nullptr, 0), -1);
  EXPECT_EQ(errno, ECHILD);
  EXPECT_TRUE(ahead.take());
}

TEST_F(NetworkAheadTest, IsNotBegunForOthers) {
  Namespaces shared = only_network();
  shared.network.from = Namespace::From::Caller;
  EXPECT_FALSE(NetworkAhead(shared).take());
  Namespaces joined = only_network();
  joined.network = {Namespace::From::Path, "/proc/self/ns/net"};
  EXPECT_FALSE(NetworkAhead(joined).take());
  // It would belong to the wrong user namespace.
  Namespaces owned = only_network();
  owned.user.from = Namespace::From::New;
  EXPECT_FALSE(NetworkAhead(owned).take());
}

TEST_F(NetworkAheadTest, IsNotBegunOnTheOnlyProcessor) {
  const int result = in_child([] {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<std::size_t>(::sched_getcpu()), &one);
    if (::sched_setaffinity(0, sizeof(one), &one) != 0) return 1;
    return NetworkAhead(only_network()).take() ? 2 : 0;
  });
  EXPECT_EQ(result, 0);
}

TEST_F(NetworkAheadTest, WithoutPrivilegesItSaysWhy) {
  const int result = in_child([] {
    if (::setresuid(65534, 65534, 65534) != 0) return 1;
    NetworkAhead ahead(only_network());
    expect_error(Errc::Io, "creating the network namespace: Operation not permitted",
                 [&] { ahead.take(); });
    return ::testing::Test::HasFailure() ? 2 : 0;
  });
  EXPECT_EQ(result, 0);
}

}  // namespace
}  // namespace layerkit::runner
