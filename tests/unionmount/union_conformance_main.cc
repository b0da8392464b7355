// The test program, which is also the server of its FUSE unions.

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <string_view>
#include <vector>

#include "layerkit/base/text.h"
#include "layerkit/unionmount/mount_info.h"
#include "layerkit/unionmount/union_server.h"
#include "union_backend.h"

namespace layerkit::testing {
namespace {

/// A backend that was left out says why, once.
class BackendTest : public ::testing::TestWithParam<std::size_t> {};

TEST_P(BackendTest, CanBeTriedHere) {
  const Backend& backend = all_backends()[GetParam()];
  if (!backend.problem.empty()) GTEST_SKIP() << backend.name << ": " << backend.problem;
}

INSTANTIATE_TEST_SUITE_P(Union,
                         BackendTest,
                         ::testing::Range(std::size_t{0}, all_backends().size()),
                         [](const auto& at) { return all_backends()[at.param].name; });

/// A server lives in the mount namespace of its union, and so would keep the union of tests that
/// were killed for ever: a process beside it takes that away when they have ended. It ends with
/// the server.
void watch_tests(pid_t tests) {
  if (::fork() != 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::close_range(3, ~0U, 0);  // the connection ends with its last descriptor
  pollfd end{
      .fd = static_cast<int>(::syscall(SYS_pidfd_open, tests, 0)), .events = POLLIN, .revents = 0};
  if (end.fd >= 0) ::poll(&end, 1, -1);
  for (const MountInfo& mount : read_mount_info()) {
    if (mount.type.starts_with("fuse.")) ::umount2(mount.mount_point.c_str(), MNT_DETACH);
  }
  ::_exit(0);
}

int serve(const std::vector<std::string>& arguments) {
  watch_tests(static_cast<pid_t>(parse_decimal(arguments.at(0)).value()));
  return serve_union_from_arguments({arguments.begin() + 1, arguments.end()});
}

}  // namespace
}  // namespace layerkit::testing

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == layerkit::testing::kServeArgument)
    return layerkit::testing::serve({argv + 2, argv + argc});
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
