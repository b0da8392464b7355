#include <thread>

#include "runner_fixture.h"

namespace layerkit::testing {
namespace {

using ContainerParallelTest = ContainerTest;

TEST_F(ContainerParallelTest, EightThreadsStartContainersAtOnce) {
  std::array<std::string, 8> outputs;
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      threads.emplace_back([&, i] {
        for (int round = 0; round < 5; ++round) {
          ContainerSpec spec = shell(fmt::format("echo {}; ls /proc/1/fd; exit {}", i, i));
          const Outcome outcome = run(rootfs(), std::move(spec));
          outputs.at(i) += outcome.status.code == static_cast<int>(i) ? outcome.output : "wrong";
        }
      });
    }
  }
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    std::string expected;
    for (int round = 0; round < 5; ++round)
      expected += fmt::format("{}\n0\n1\n2\n", i);
    EXPECT_EQ(outputs.at(i), expected);
  }
}

TEST_F(ContainerParallelTest, RepeatedStartsLeaveNoDescriptors) {
  const auto count = [] {
    const Fd fds = open_dir_at(AT_FDCWD, "/proc/self/fd");
    return list_dir(fds.get()).size();
  };
  run(rootfs(), shell("true"));
  const std::size_t before = count();
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(run(rootfs(), shell("exit 5")).status.code, 5);
  EXPECT_EQ(count(), before);
}

}  // namespace
}  // namespace layerkit::testing
