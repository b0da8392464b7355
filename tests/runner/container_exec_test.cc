// Terminals and further processes for who links the library.

#include "layerkit/runner/container_exec.h"

#include <fcntl.h>
#include <unistd.h>

#include "expect_error.h"
#include "runner_fixture.h"

namespace layerkit::testing {
namespace {

class ContainerExecTest : public ContainerTest {
 protected:
  std::unique_ptr<Container> start(ContainerSpec spec) {
    cgroups_path_ = spec.cgroups_path;
    return start_container(std::move(spec), rootfs().detach(), nullptr, Context{});
  }
  ContainerExec exec_of(const Container& container, const std::string& script) {
    ContainerExec exec;
    exec.process = shell(script).process;
    exec.cgroups_path = cgroups_path_;
    exec.init = container.pid();
    exec.init_pidfd = Fd(::fcntl(container.pidfd(), F_DUPFD_CLOEXEC, 3));
    return exec;
  }
  /// What comes out of a terminal until nobody has it any more.
  static std::string shown_at(const Fd& master) {
    std::string all;
    char bytes[512];
    for (ssize_t got = 0; (got = ::read(master.get(), bytes, sizeof bytes)) > 0;)
      all.append(bytes, static_cast<std::size_t>(got));
    return all;
  }

  std::string cgroups_path_;
};

TEST_F(ContainerExecTest, TheMasterOfATerminalIsTheCallers) {
  ContainerSpec spec = shell("busybox tty; busybox stty size");
  spec.process.terminal = true;
  spec.process.console_size = ConsoleSize{33, 77};
  const auto container = start(std::move(spec));
  const Fd master = container->take_terminal();
  ASSERT_TRUE(master);
  EXPECT_EQ(shown_at(master), "/dev/pts/0\r\n33 77\r\n");
  EXPECT_EQ(container->wait().code, 0);
}

TEST_F(ContainerExecTest, AProcessJoinsTheContainer) {
  const auto container = start(shell("echo inside > /tmp/file; sleep 1000"));
  const Capture output;
  ContainerExec exec = exec_of(
      *container,
      "cat /tmp/file; cat /proc/sys/kernel/hostname; "
      "for n in cgroup ipc mnt net pid uts; do "
      "test $(stat -L -c %i /proc/1/ns/$n) = $(stat -L -c %i /proc/self/ns/$n) || echo other $n; "
      "done; test \"$(cat /proc/1/cgroup)\" = \"$(cat /proc/self/cgroup)\" || echo other cgroup; "
      "exit 5");
  exec.standard_output = output.end();
  exec.standard_error = output.end();
  StartFailure failure = StartFailure::Setup;
  const auto process = exec_in_container(std::move(exec), failure, Context{});
  EXPECT_FALSE(process->take_terminal());
  EXPECT_EQ(process->wait().code, 5);
  EXPECT_EQ(output.text(), "inside\nbox\n");
}

TEST_F(ContainerExecTest, ItHasATerminalOfTheContainerWhenAsked) {
  const auto container = start(shell("sleep 1000"));
  ContainerExec exec = exec_of(*container, "busybox tty");
  exec.process.terminal = true;
  StartFailure failure = StartFailure::Setup;
  const auto process = exec_in_container(std::move(exec), failure, Context{});
  EXPECT_EQ(shown_at(process->take_terminal()), "/dev/pts/0\r\n");
  EXPECT_EQ(process->wait().code, 0);
}

TEST_F(ContainerExecTest, WhatCannotBeExecutedSaysSo) {
  const auto container = start(shell("sleep 1000"));
  ContainerExec exec = exec_of(*container, "");
  exec.process.args = {"nosuch"};
  StartFailure failure = StartFailure::Setup;
  expect_error(Errc::NotFound, "nosuch",
               [&] { exec_in_container(std::move(exec), failure, Context{}); });
  EXPECT_EQ(failure, StartFailure::NotFound);
}

TEST_F(ContainerExecTest, WithoutItsCgroupThereIsNoProcess) {
  const auto container = start(shell("sleep 1000"));
  ContainerExec exec = exec_of(*container, "true");
  exec.cgroups_path += "-other";
  StartFailure failure = StartFailure::NotFound;
  expect_error(Errc::NotFound, "it does not exist",
               [&] { exec_in_container(std::move(exec), failure, Context{}); });
  EXPECT_EQ(failure, StartFailure::Setup);
}

}  // namespace
}  // namespace layerkit::testing
