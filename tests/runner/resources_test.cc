#include <gtest/gtest.h>

#include "cgroup_files.h"
#include "expect_error.h"

namespace layerkit::runner {
namespace {

using layerkit::testing::expect_error;

std::vector<std::string> lines(const std::vector<CgroupSetting>& settings) {
  std::vector<std::string> all;
  for (const CgroupSetting& setting : settings) {
    all.push_back(std::string(setting.file) + "=" + setting.value +
                  (setting.required ? "" : " (optional)"));
  }
  return all;
}

using Lines = std::vector<std::string>;

TEST(ResourcesTest, WithoutLimitsNothingIsWritten) {
  EXPECT_TRUE(v1_settings({}).empty());
  EXPECT_TRUE(v2_settings({}).empty());
}

TEST(ResourcesTest, MemoryAndSwapDefaultToTwiceTheMemory) {
  Resources resources;
  resources.memory.limit = 1000;
  EXPECT_EQ(lines(v1_settings(resources)),
            (Lines{"memory.limit_in_bytes=1000", "memory.memsw.limit_in_bytes=2000 (optional)"}));
  EXPECT_EQ(lines(v2_settings(resources)),
            (Lines{"memory.max=1000", "memory.swap.max=1000 (optional)"}));
}

TEST(ResourcesTest, AnExplicitSwapLimitIsRequired) {
  Resources resources;
  resources.memory.limit = 1000;
  resources.memory.swap = 1500;
  EXPECT_EQ(lines(v1_settings(resources))[1], "memory.memsw.limit_in_bytes=1500");
  EXPECT_EQ(lines(v2_settings(resources))[1], "memory.swap.max=500");
  resources.memory.swap = -1;
  EXPECT_EQ(lines(v1_settings(resources))[1], "memory.memsw.limit_in_bytes=-1");
  EXPECT_EQ(lines(v2_settings(resources))[1], "memory.swap.max=max");
}

TEST(ResourcesTest, AHugeMemoryLimitDoesNotOverflowTheDefaultSwap) {
  Resources resources;
  resources.memory.limit = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(lines(v1_settings(resources))[1], "memory.memsw.limit_in_bytes=-1 (optional)");
}

TEST(ResourcesTest, CpuQuotaSharesAndProcesses) {
  Resources resources;
  resources.cpu.quota = 50'000;
  resources.cpu.shares = 1024;
  resources.pids_limit = 20;
  EXPECT_EQ(lines(v1_settings(resources)),
            (Lines{"cpu.cfs_period_us=100000", "cpu.cfs_quota_us=50000", "cpu.shares=1024",
                   "pids.max=20"}));
  EXPECT_EQ(lines(v2_settings(resources)),
            (Lines{"cpu.max=50000 100000", "cpu.weight=100", "pids.max=20"}));
}

TEST(ResourcesTest, SharesKeepMinimumDefaultAndMaximumAsWeights) {
  EXPECT_EQ(cpu_weight(2), 1U);
  EXPECT_EQ(cpu_weight(1024), 100U);
  EXPECT_EQ(cpu_weight(262'144), 10'000U);
}

TEST(ResourcesTest, ContradictingLimitsAreRefused) {
  Resources resources;
  resources.memory.swap = 100;
  expect_error(Errc::Invalid, "needs a memory limit", [&] { check_resources(resources); });
  resources.memory.limit = 200;
  expect_error(Errc::Invalid, "(100) are less than the memory limit (200)",
               [&] { check_resources(resources); });
}

TEST(ResourcesTest, LimitsOutOfRangeAreRefused) {
  Resources resources;
  resources.cpu.period = 0;
  expect_error(Errc::Invalid, "the period of 0 us", [&] { check_resources(resources); });
  resources = {};
  resources.cpu.quota = 999;
  expect_error(Errc::Invalid, "a quota of 999 us", [&] { check_resources(resources); });
  resources = {};
  resources.cpu.shares = 1;
  expect_error(Errc::Invalid, "1 shares are not between", [&] { check_resources(resources); });
  resources = {};
  resources.pids_limit = 0;
  expect_error(Errc::Invalid, "limiting processes: a limit of 0",
               [&] { check_resources(resources); });
  resources = {};
  resources.memory.limit = 0;
  expect_error(Errc::Invalid, "limiting memory: a limit of 0 bytes",
               [&] { check_resources(resources); });
}

}  // namespace
}  // namespace layerkit::runner
