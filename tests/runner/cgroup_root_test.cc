#include <filesystem>

#include "cgroup_files.h"
#include "expect_error.h"
#include "runner_fixture.h"
#include "start.h"

namespace layerkit::testing {
namespace {

/// The system's cgroup v2 alone, as on a pure v2 system, with whatever controllers it has there.
class CgroupV2RootTest : public ContainerTest {
 protected:
  void SetUp() override {
    ContainerTest::SetUp();
    if (IsSkipped()) return;
    layout_ = runner::read_cgroup_layout();
    layout_.v1.clear();
    if (!layout_.v2) GTEST_SKIP() << "needs a mounted cgroup2";
  }

  std::string directory(const std::string& id) const {
    return layout_.v2->mount_point + "/" + test_cgroup_parent() + "/" + id;
  }
  bool has_controller(const std::string& controller) const {
    const Fd root = open_dir_at(AT_FDCWD, layout_.v2->mount_point);
    const auto all = runner::read_control(root.get(), "cgroup.controllers");
    return runner::has_word(all.value_or(""), controller);
  }

  runner::CgroupLayout layout_;
};

TEST_F(CgroupV2RootTest, TheContainerIsBornInItsCgroup) {
  ContainerSpec spec = spec_of({"sleep", "1000"});
  const std::string id = spec.id;
  const auto container =
      runner::start_with_cgroups(layout_, std::move(spec), rootfs().detach(), nullptr, Context{});
  const Fd cgroup = open_dir_at(AT_FDCWD, directory(id));
  EXPECT_EQ(runner::read_control(cgroup.get(), "cgroup.procs").value_or(""),
            fmt::format("{}\n", container->pid()));
}

TEST_F(CgroupV2RootTest, TheContainerSeesItsOwnCgroupReadOnly) {
  const Capture output;
  ContainerSpec spec = shell(
      "busybox grep 0:: /proc/self/cgroup; cd /sys/fs/cgroup; busybox head -n1 cgroup.procs; "
      "busybox mkdir sub");
  spec.standard_output = output.end();
  spec.standard_error = output.end();
  const auto container =
      runner::start_with_cgroups(layout_, std::move(spec), rootfs().detach(), nullptr, Context{});
  container->wait();
  EXPECT_EQ(output.text(), "0::/\n1\nmkdir: can't create directory 'sub': Read-only file system\n");
}

TEST_F(CgroupV2RootTest, OnlyTheUsualDevicesCanBeOpened) {
  const Capture output;
  ContainerSpec spec = shell(
      "echo x > /dev/null && echo fine; busybox mknod /tmp/kmsg c 1 11 && cat /tmp/kmsg; busybox "
      "mknod /dev/x c 1 11 && cat /dev/x");
  spec.standard_output = output.end();
  spec.standard_error = output.end();
  const auto container =
      runner::start_with_cgroups(layout_, std::move(spec), rootfs().detach(), nullptr, Context{});
  container->wait();
  EXPECT_EQ(output.text(),
            "fine\ncat: can't open '/tmp/kmsg': Operation not permitted\n"
            "cat: can't open '/dev/x': Operation not permitted\n");
}

TEST_F(CgroupV2RootTest, RemovalKillsWhatIsLeft) {
  ContainerSpec spec = shell("sleep 1000 & exit 4");
  spec.namespaces.pid.from = Namespace::From::Caller;
  const auto container =
      runner::start_with_cgroups(layout_, std::move(spec), rootfs().detach(), nullptr, Context{});
  EXPECT_EQ(container->wait().code, 4);
}

TEST_F(CgroupV2RootTest, ALimitWithoutItsControllerIsRefused) {
  if (has_controller("memory")) GTEST_SKIP() << "this cgroup2 has the memory controller";
  ContainerSpec spec = shell("true");
  spec.resources.memory.limit = 30U << 20U;
  const std::string id = spec.id;
  expect_error(
      Errc::Unsupported,
      "limiting memory: cgroup controller 'memory' is not available in '" + directory(id) + "'",
      [&] {
        runner::start_with_cgroups(layout_, std::move(spec), rootfs().detach(), nullptr, Context{});
      });
}

TEST_F(CgroupV2RootTest, LimitsStandInTheCgroup) {
  if (!has_controller("memory") || !has_controller("pids") || !has_controller("cpu")) {
    GTEST_SKIP() << "this cgroup2 has no controllers";
  }
  ContainerSpec spec = spec_of({"sleep", "1000"});
  const std::string id = spec.id;
  spec.resources.memory.limit = 64U << 20U;
  spec.resources.cpu.quota = 50'000;
  spec.resources.pids_limit = 20;
  const auto container =
      runner::start_with_cgroups(layout_, std::move(spec), rootfs().detach(), nullptr, Context{});
  const Fd cgroup = open_dir_at(AT_FDCWD, directory(id));
  EXPECT_EQ(runner::read_control(cgroup.get(), "memory.max"), "67108864\n");
  EXPECT_EQ(runner::read_control(cgroup.get(), "cpu.max"), "50000 100000\n");
  EXPECT_EQ(runner::read_control(cgroup.get(), "pids.max"), "20\n");
}

}  // namespace
}  // namespace layerkit::testing
