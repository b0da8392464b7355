#include "expect_error.h"
#include "layerkit/runner/container_cgroup.h"
#include "runner_fixture.h"

namespace layerkit::testing {
namespace {

using ContainerLimitsTest = ContainerTest;

TEST_F(ContainerLimitsTest, TheMemoryLimitKills) {
  ContainerSpec spec = spec_of({"dd", "if=/dev/zero", "of=/dev/null", "bs=200M", "count=1"});
  spec.resources.memory.limit = 30U << 20U;
  const Outcome outcome = run(rootfs(), std::move(spec));
  EXPECT_EQ(outcome.status.code, 137);
  EXPECT_TRUE(outcome.status.out_of_memory);
}

TEST_F(ContainerLimitsTest, BelowTheMemoryLimitNothingIsKilled) {
  ContainerSpec spec = spec_of({"dd", "if=/dev/zero", "of=/dev/null", "bs=20M", "count=1"});
  spec.resources.memory.limit = 30U << 20U;
  const Outcome outcome = run(rootfs(), std::move(spec));
  EXPECT_EQ(outcome.status.code, 0) << outcome.output;
  EXPECT_FALSE(outcome.status.out_of_memory);
}

TEST_F(ContainerLimitsTest, AnOomKillBelowInitIsSeen) {
  ContainerSpec spec = shell("dd if=/dev/zero of=/dev/null bs=200M count=1; exit 3");
  spec.resources.memory.limit = 30U << 20U;
  const Outcome outcome = run(rootfs(), std::move(spec));
  EXPECT_EQ(outcome.status.code, 3);
  EXPECT_TRUE(outcome.status.out_of_memory);
}

TEST_F(ContainerLimitsTest, TheProcessLimitStopsForks) {
  ContainerSpec spec = shell("for i in 1 2 3 4 5 6 7 8 9; do sleep 60 & done; echo all");
  spec.resources.pids_limit = 5;
  const Outcome outcome = run(rootfs(), std::move(spec));
  EXPECT_EQ(outcome.status.code, 2);
  EXPECT_NE(outcome.output.find("can't fork: Resource temporarily unavailable"), std::string::npos)
      << outcome.output;
}

TEST_F(ContainerLimitsTest, LimitsStandInTheCgroup) {
  if (!has_v1("cpu") || !has_v1("memory") || !has_v1("pids")) GTEST_SKIP() << "needs cgroup v1";
  ContainerSpec spec = spec_of({"sleep", "1000"});
  const std::string id = spec.id;
  spec.resources.memory.limit = 64U << 20U;
  spec.resources.cpu.quota = 50'000;
  spec.resources.cpu.shares = 512;
  spec.resources.pids_limit = 20;
  const auto container = start_container(std::move(spec), rootfs().detach(), nullptr, Context{});
  EXPECT_EQ(cgroup_file("memory", id, "memory.limit_in_bytes"), "67108864\n");
  EXPECT_EQ(cgroup_file("cpu", id, "cpu.cfs_quota_us"), "50000\n");
  EXPECT_EQ(cgroup_file("cpu", id, "cpu.cfs_period_us"), "100000\n");
  EXPECT_EQ(cgroup_file("cpu", id, "cpu.shares"), "512\n");
  EXPECT_EQ(cgroup_file("pids", id, "pids.max"), "20\n");
  for (const std::string controller : {"memory", "cpu", "pids", "devices", "freezer"}) {
    EXPECT_EQ(cgroup_file(controller, id, "cgroup.procs"), fmt::format("{}\n", container->pid()));
  }
}

TEST_F(ContainerLimitsTest, AMemoryLimitTooSmallToStartIsSaid) {
  ContainerSpec spec = shell("true");
  spec.resources.memory.limit = 16'384;
  const Refusal refusal = refused(rootfs(), std::move(spec));
  EXPECT_EQ(refusal.message, "starting the container: the memory limit is too small to set it up");
  EXPECT_EQ(refusal.failure, StartFailure::Setup);
}

TEST_F(ContainerLimitsTest, ABusyCgroupIsRefusedAndKept) {
  ContainerSpec first = spec_of({"sleep", "1000"});
  const std::string id = first.id;
  const auto container = start_container(std::move(first), rootfs().detach(), nullptr, Context{});
  ContainerSpec second = shell("true");
  second.cgroups_path = test_cgroup_parent() + "/" + id;
  const Refusal refusal = refused(rootfs(), std::move(second));
  EXPECT_EQ(refusal.code, Errc::Busy);
  EXPECT_NE(refusal.message.find("container's cgroup is not empty"), std::string::npos);
  EXPECT_FALSE(cgroup_file("memory", id, "cgroup.procs").empty());
}

TEST_F(ContainerLimitsTest, AnEmptyLeftoverCgroupIsReplaced) {
  if (!has_v1("pids")) GTEST_SKIP() << "needs cgroup v1";
  ContainerSpec spec = shell("echo fine");
  for (const auto& hierarchy : runner::read_cgroup_layout().v1) {
    make_dirs(hierarchy.mount_point + "/" + test_cgroup_parent() + "/" + spec.id + "/nested", 0755);
  }
  EXPECT_EQ(run(rootfs(), std::move(spec)).output, "fine\n");
}

TEST_F(ContainerLimitsTest, AnotherProcessCanRemoveTheCgroups) {
  ContainerSpec spec = shell("sleep 1000 & sleep 1000");
  spec.namespaces.pid.from = Namespace::From::Caller;
  const std::string id = spec.id;
  const auto container = start_container(std::move(spec), rootfs().detach(), nullptr, Context{});
  EXPECT_TRUE(remove_container_cgroups(test_cgroup_parent() + "/" + id));
  EXPECT_FALSE(remove_container_cgroups(test_cgroup_parent() + "/" + id));
  EXPECT_EQ(container->wait().code, 137);
}

TEST_F(ContainerLimitsTest, WithoutPidNamespaceTheRestIsKilledToo) {
  ContainerSpec spec = shell("sleep 1000 & exit 4");
  spec.namespaces.pid.from = Namespace::From::Caller;
  EXPECT_EQ(run(rootfs(), std::move(spec)).status.code, 4);
}

}  // namespace
}  // namespace layerkit::testing
