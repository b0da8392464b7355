#include <gtest/gtest.h>

#include "cgroup.h"
#include "cgroup_settings.h"
#include "expect_error.h"

namespace layerkit::runner {
namespace {

using layerkit::testing::expect_error;

std::vector<std::string> lines(const std::vector<CgroupSetting>& settings) {
  std::vector<std::string> all;
  for (const CgroupSetting& setting : settings) {
    all.push_back(setting.file + "=" + setting.value + (setting.required ? "" : " (optional)") +
                  (setting.may_wait ? " (may wait)" : ""));
  }
  return all;
}

using Lines = std::vector<std::string>;

TEST(ResourcesTest, WithoutLimitsNothingIsWritten) {
  EXPECT_TRUE(v1_settings({}).empty());
  EXPECT_TRUE(v2_settings({}).empty());
}

TEST(ResourcesTest, MemoryAloneLeavesSwapAlone) {
  Resources resources;
  resources.memory.limit = 1000;
  EXPECT_EQ(lines(v1_settings(resources)), (Lines{"memory.limit_in_bytes=1000"}));
  EXPECT_EQ(lines(v2_settings(resources)), (Lines{"memory.max=1000"}));
}

TEST(ResourcesTest, SwapIsCountedWithMemoryOnV1AndAloneOnV2) {
  Resources resources;
  resources.memory.limit = 1000;
  resources.memory.swap = 1500;
  EXPECT_EQ(lines(v1_settings(resources)),
            (Lines{"memory.limit_in_bytes=1000 (may wait)", "memory.memsw.limit_in_bytes=1500"}));
  EXPECT_EQ(lines(v2_settings(resources)), (Lines{"memory.swap.max=500", "memory.max=1000"}));
  resources.memory.swap = -1;
  EXPECT_EQ(lines(v1_settings(resources))[1], "memory.memsw.limit_in_bytes=-1");
  EXPECT_EQ(lines(v2_settings(resources))[0], "memory.swap.max=max (optional)");
  resources.memory.swap = 1000;
  EXPECT_EQ(lines(v2_settings(resources))[0], "memory.swap.max=0 (optional)");
  resources.memory.swap = 2000;
  resources.memory.swap_is_optional = true;
  EXPECT_EQ(lines(v1_settings(resources))[1], "memory.memsw.limit_in_bytes=2000 (optional)");
  EXPECT_EQ(lines(v2_settings(resources))[0], "memory.swap.max=1000 (optional)");
}

TEST(ResourcesTest, UnlimitedMemoryMeansUnlimitedSwap) {
  Resources resources;
  resources.memory.limit = -1;
  EXPECT_EQ(lines(v1_settings(resources)), (Lines{"memory.limit_in_bytes=-1 (may wait)",
                                                  "memory.memsw.limit_in_bytes=-1 (optional)"}));
  EXPECT_EQ(lines(v2_settings(resources)),
            (Lines{"memory.swap.max=max (optional)", "memory.max=max"}));
  resources.memory.swap = 500;
  EXPECT_EQ(lines(v2_settings(resources))[0], "memory.swap.max=500");
}

TEST(ResourcesTest, SwapAloneNeedsMemoryOnV2Only) {
  Resources resources;
  resources.memory.swap = 1500;
  EXPECT_EQ(lines(v1_settings(resources)), (Lines{"memory.memsw.limit_in_bytes=1500"}));
  expect_error(Errc::Invalid, "unable to set swap limit without memory limit",
               [&] { v2_settings(resources); });
}

TEST(ResourcesTest, TheRestOfMemory) {
  Resources resources;
  resources.memory.reservation = 700;
  EXPECT_EQ(lines(v2_settings(resources)), (Lines{"memory.low=700"}));
  resources.memory.kernel_tcp = 300;
  resources.memory.swappiness = 60;
  resources.memory.disable_oom_killer = true;
  EXPECT_EQ(lines(v1_settings(resources)),
            (Lines{"memory.soft_limit_in_bytes=700", "memory.kmem.tcp.limit_in_bytes=300",
                   "memory.oom_control=1", "memory.swappiness=60"}));
  resources.memory = {};
  resources.memory.disable_oom_killer = false;
  resources.memory.swappiness = UINT64_MAX;
  EXPECT_EQ(lines(v1_settings(resources)), (Lines{"memory.oom_control=0 (optional)"}));
  EXPECT_TRUE(v2_settings(resources).empty());
}

TEST(ResourcesTest, ZeroIsNotSet) {
  Resources resources;
  resources.memory.limit = 0;
  resources.memory.swap = 0;
  resources.memory.reservation = 0;
  resources.memory.kernel_tcp = 0;
  resources.cpu.shares = 0;
  resources.cpu.quota = 0;
  resources.cpu.period = 0;
  resources.cpu.realtime_period = 0;
  resources.cpu.realtime_runtime = 0;
  resources.block_io.weight = 0;
  resources.block_io.leaf_weight = 0;
  resources.network.class_id = 0;
  check_resources(resources);
  EXPECT_TRUE(v1_settings(resources).empty());
  EXPECT_TRUE(v2_settings(resources).empty());
}

TEST(ResourcesTest, CpuQuotaSharesAndProcesses) {
  Resources resources;
  resources.cpu.quota = 50'000;
  resources.cpu.shares = 1024;
  resources.pids_limit = 20;
  EXPECT_EQ(lines(v1_settings(resources)),
            (Lines{"cpu.shares=1024", "cpu.cfs_quota_us=50000", "pids.max=20"}));
  EXPECT_EQ(lines(v2_settings(resources)),
            (Lines{"cpu.weight=100", "cpu.max=50000", "pids.max=20"}));
}

TEST(ResourcesTest, SharesKeepMinimumDefaultAndMaximumAsWeights) {
  EXPECT_EQ(cpu_weight(2), 1U);
  EXPECT_EQ(cpu_weight(1024), 100U);
  EXPECT_EQ(cpu_weight(262'144), 10'000U);
}

TEST(ResourcesTest, CpuBandwidthIsWrittenSoThatItFits) {
  Resources resources;
  resources.cpu.quota = 50'000;
  resources.cpu.period = 200'000;
  resources.cpu.burst = 10'000;
  resources.cpu.realtime_period = 1'000'000;
  resources.cpu.realtime_runtime = 900'000;
  EXPECT_EQ(lines(v1_settings(resources)),
            (Lines{"cpu.cfs_period_us=200000 (may wait)", "cpu.cfs_burst_us=10000 (may wait)",
                   "cpu.cfs_quota_us=50000 (may wait)", "cpu.rt_period_us=1000000 (may wait)",
                   "cpu.rt_runtime_us=900000"}));
  resources.cpu.realtime_period.reset();
  resources.cpu.realtime_runtime.reset();
  EXPECT_EQ(lines(v2_settings(resources)),
            (Lines{"cpu.max.burst=10000 (may wait)", "cpu.max=50000 200000 (may wait)"}));
  resources.cpu.burst.reset();
  resources.cpu.quota = -1;
  EXPECT_EQ(lines(v1_settings(resources))[1], "cpu.cfs_quota_us=-1");
  EXPECT_EQ(lines(v2_settings(resources)), (Lines{"cpu.max=max 200000"}));
}

TEST(ResourcesTest, AnIdleCgroupHasNoShares) {
  Resources resources;
  resources.cpu.shares = 1024;
  resources.cpu.idle = 1;
  EXPECT_EQ(lines(v1_settings(resources)), (Lines{"cpu.idle=1"}));
  EXPECT_EQ(lines(v2_settings(resources)), (Lines{"cpu.idle=1"}));
  resources.cpu.idle = 0;
  EXPECT_EQ(lines(v1_settings(resources)), (Lines{"cpu.shares=1024 (may wait)", "cpu.idle=0"}));
  EXPECT_EQ(lines(v2_settings(resources)), (Lines{"cpu.weight=100 (may wait)", "cpu.idle=0"}));
}

TEST(ResourcesTest, CpusetsAreTheSameOnBoth) {
  Resources resources;
  resources.cpu.cpus = "0-1";
  resources.cpu.mems = "0";
  EXPECT_EQ(lines(v1_settings(resources)), (Lines{"cpuset.cpus=0-1", "cpuset.mems=0"}));
  EXPECT_EQ(lines(v2_settings(resources)), (Lines{"cpuset.cpus=0-1", "cpuset.mems=0"}));
}

TEST(ResourcesTest, ZeroOrLessProcessesIsNoLimit) {
  Resources resources;
  for (const std::int64_t limit : {0, -1}) {
    resources.pids_limit = limit;
    EXPECT_EQ(lines(v1_settings(resources)), (Lines{"pids.max=max"}));
    EXPECT_EQ(lines(v2_settings(resources)), (Lines{"pids.max=max"}));
  }
}

TEST(ResourcesTest, BlockIo) {
  Resources resources;
  auto& io = resources.block_io;
  io.weight = 500;
  io.weight_devices = {{8, 16, 300, std::nullopt}};
  io.read_bps = {{8, 0, 600}};
  io.write_bps = {{8, 0, 0}};
  io.read_iops = {{8, 0, 300}};
  io.write_iops = {{8, 1, 400}};
  const auto v1 = v1_settings(resources);
  EXPECT_EQ(lines(v1), (Lines{"blkio.weight=500", "blkio.weight_device=8:16 300",
                              "blkio.throttle.read_bps_device=8:0 600",
                              "blkio.throttle.write_bps_device=8:0 0",
                              "blkio.throttle.read_iops_device=8:0 300",
                              "blkio.throttle.write_iops_device=8:1 400"}));
  EXPECT_EQ(v1[0].other_file, "blkio.bfq.weight");
  EXPECT_EQ(v1[0].other_value, "500");
  EXPECT_EQ(v1[1].other_file, "blkio.bfq.weight_device");
  const auto v2 = v2_settings(resources);
  EXPECT_EQ(lines(v2),
            (Lines{"io.bfq.weight=500", "io.bfq.weight=8:16 300", "io.max=8:0 rbps=600",
                   "io.max=8:0 wbps=max", "io.max=8:0 riops=300", "io.max=8:1 wiops=400"}));
  EXPECT_EQ(v2[0].other_file, "io.weight");
  EXPECT_EQ(v2[0].other_value, "4950");
  EXPECT_EQ(v2[1].other_value, "8:16 2930");
}

TEST(ResourcesTest, BlockIoWeightsKeepTheirEnds) {
  EXPECT_EQ(io_weight(10), 1U);
  EXPECT_EQ(io_weight(1000), 10'000U);
}

TEST(ResourcesTest, HugePagesAndTheirReservations) {
  Resources resources;
  resources.hugepages = {{"2MB", 4'194'304}};
  check_resources(resources);
  EXPECT_EQ(lines(v1_settings(resources)),
            (Lines{"hugetlb.2MB.limit_in_bytes=4194304",
                   "hugetlb.2MB.rsvd.limit_in_bytes=4194304 (optional)"}));
  EXPECT_EQ(lines(v2_settings(resources)),
            (Lines{"hugetlb.2MB.max=4194304", "hugetlb.2MB.rsvd.max=4194304 (optional)"}));
  for (const char* size : {"", "MB", "2", "2MiB", "../2MB", "2MB/x"}) {
    resources.hugepages = {{size, 1}};
    expect_error(Errc::Invalid, "is not a page size", [&] { check_resources(resources); });
  }
}

TEST(ResourcesTest, NetworkOnV1) {
  Resources resources;
  resources.network.class_id = 0x100001;
  resources.network.priorities = {{"eth0", 5}};
  EXPECT_EQ(lines(v1_settings(resources)),
            (Lines{"net_cls.classid=1048577", "net_prio.ifpriomap=eth0 5"}));
  resources.network.priorities = {{"eth0 7\nlo", 5}};
  expect_error(Errc::Invalid, "is not a name", [&] { check_resources(resources); });
}

TEST(ResourcesTest, Rdma) {
  Resources resources;
  resources.rdma["mlx5_1"] = {3, 10'000};
  resources.rdma["mlx4_0"] = {std::nullopt, 1000};
  const Lines expected = {"rdma.max=mlx4_0 hca_object=1000",
                          "rdma.max=mlx5_1 hca_handle=3 hca_object=10000"};
  EXPECT_EQ(lines(v1_settings(resources)), expected);
  EXPECT_EQ(lines(v2_settings(resources)), expected);
}

TEST(ResourcesTest, UnifiedIsForV2AndComesLast) {
  Resources resources;
  resources.pids_limit = 5;
  resources.unified = {{"io.max", "8:0 rbps=1\n8:16 rbps=2\n"}, {"memory.high", "9000"}};
  EXPECT_EQ(lines(v2_settings(resources)),
            (Lines{"pids.max=5", "io.max=8:0 rbps=1", "io.max=8:16 rbps=2", "memory.high=9000"}));
  expect_error(Errc::Invalid, "invalid configuration: cannot use unified on cgroup v1",
               [&] { v1_settings(resources); });
}

TEST(ResourcesTest, UnifiedNamesAreFilesOfControllers) {
  Resources resources;
  resources.unified = {{"../memory.max", "1"}};
  expect_error(Errc::Invalid, "unified resource \"../memory.max\" must be a file name (no slashes)",
               [&] { check_resources(resources); });
  resources.unified = {{"tasks", "1"}};
  expect_error(Errc::Invalid, "unified resource \"tasks\" must be in the form CONTROLLER.PARAMETER",
               [&] { check_resources(resources); });
}

TEST(ResourcesTest, WhatV2LacksIsRefusedByName) {
  const auto refused = [](const std::string& name, void (*change)(Resources&)) {
    Resources resources;
    change(resources);
    expect_error(Errc::Unsupported, "limiting " + name + ": it is not supported on cgroup v2",
                 [&] { v2_settings(resources); });
  };
  refused("kernel TCP memory", [](Resources& r) { r.memory.kernel_tcp = 1; });
  refused("swappiness", [](Resources& r) { r.memory.swappiness = 0; });
  refused("the OOM killer", [](Resources& r) { r.memory.disable_oom_killer = true; });
  refused("realtime cpu", [](Resources& r) { r.cpu.realtime_period = 1; });
  refused("block I/O leaf weight", [](Resources& r) { r.block_io.leaf_weight = 10; });
  refused("network classes and priorities", [](Resources& r) { r.network.class_id = 1; });
}

TEST(ResourcesTest, ContradictingLimitsAreRefused) {
  Resources resources;
  resources.memory.swap = 100;
  resources.memory.limit = 200;
  expect_error(Errc::Invalid, "(100) are less than the memory limit (200)",
               [&] { check_resources(resources); });
}

TEST(ResourcesTest, LimitsOutOfRangeAreRefused) {
  const auto refused = [](const std::string& text, void (*change)(Resources&)) {
    Resources resources;
    change(resources);
    expect_error(Errc::Invalid, text, [&] { check_resources(resources); });
  };
  refused("the period of 999 us", [](Resources& r) { r.cpu.period = 999; });
  refused("a quota of 999 us", [](Resources& r) { r.cpu.quota = 999; });
  refused("1 shares are not between", [](Resources& r) { r.cpu.shares = 1; });
  refused("idle is 2", [](Resources& r) { r.cpu.idle = 2; });
  refused("limiting memory: a limit of -2 bytes", [](Resources& r) { r.memory.limit = -2; });
  refused("invalid memory swappiness value: 101", [](Resources& r) { r.memory.swappiness = 101; });
  refused("a weight of 9 is not between", [](Resources& r) { r.block_io.weight = 9; });
  refused("a quota of -2 us", [](Resources& r) { r.cpu.quota = -2; });
  refused("'0\\n1' is not a list", [](Resources& r) { r.cpu.cpus = "0\n1"; });
  refused("'0\\n1' is not a list", [](Resources& r) { r.cpu.mems = "0\n1"; });
  // The kernel would take them for 0:0.
  refused("4096:0 is no device number", [](Resources& r) { r.block_io.read_bps = {{4096, 0, 1}}; });
  refused("0:1048576 is no device number", [](Resources& r) {
    r.block_io.write_iops = {{0, 1'048'576, 1}};
  });
  refused("4294967296:0 is no device number", [](Resources& r) {
    r.block_io.weight_devices = {{1ULL << 32U, 0, 100, {}}};
  });
  refused("unified resource 'memory.xxx", [](Resources& r) {
    r.unified = {{"memory." + std::string(249, 'x'), "1"}};
  });
  refused("reading the device rule", [](Resources& r) { r.devices = {{true, 'x', {}, {}, "r"}}; });
  Resources resources;
  resources.unified = {{"memory.low", std::string(65'537, '\n')}};
  expect_error(Errc::Limit, "'memory.low': a value of 65537 bytes, more than 65536",
               [&] { check_resources(resources); });
}

}  // namespace
}  // namespace layerkit::runner
