// The test program: runs the tests in a process of their own, so that the unions of one that
// crashed can be taken away, and is the server of its FUSE unions.

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string_view>

#include "layerkit/base/error.h"
#include "layerkit/unionmount/mount_info.h"
#include "layerkit/unionmount/union_server.h"
#include "private_mounts.h"
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

/// A server lives in the mount namespace of its union, and so keeps an abandoned one for ever.
void unmount_abandoned() {
  for (const MountInfo& mount : read_mount_info()) {
    if (mount.type.starts_with("fuse.")) ::umount2(mount.mount_point.c_str(), MNT_DETACH);
  }
}

pid_t tests_process = 0;

/// Who ends this program ends the tests; the rest is done here all the same.
extern "C" void end_tests(int number) {
  ::kill(tests_process, number);
}

int run_tests() {
  const bool is_own = enter_private_mounts().empty();
  const pid_t tests = ::fork();
  if (tests < 0) return 1;
  if (tests == 0) return RUN_ALL_TESTS();
  tests_process = tests;
  struct sigaction action {};
  action.sa_handler = end_tests;
  action.sa_flags = SA_RESTART;
  for (const int number : {SIGTERM, SIGINT})
    ::sigaction(number, &action, nullptr);
  int status = 0;
  const pid_t ended = ::waitpid(tests, &status, 0);
  if (is_own) unmount_abandoned();
  return ended == tests && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

}  // namespace
}  // namespace layerkit::testing

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == layerkit::testing::kServeArgument)
    return layerkit::serve_union_from_arguments({argv + 2, argv + argc});
  ::testing::InitGoogleTest(&argc, argv);
  return layerkit::testing::run_tests();
}
