#include "cgroup_stats.h"

#include <gtest/gtest.h>

#include "cgroup.h"
#include "layerkit/base/file.h"
#include "temp_dir.h"

namespace layerkit::runner {
namespace {

using layerkit::testing::TempDir;

/// "8:0 Read 5" for each.
std::vector<std::string> lines(const std::vector<CgroupStats::BlockIoEntry>& entries) {
  std::vector<std::string> all;
  for (const auto& each : entries)
    all.push_back(fmt::format("{}:{} {} {}", each.major, each.minor, each.op, each.value));
  return all;
}
using Lines = std::vector<std::string>;
using Cpus = std::vector<std::uint16_t>;

/// A cgroup directory of plain files.
class Files {
 public:
  void add(const std::string& name, const std::string& text) {
    write_file_at(dir_.fd(), name, text, 0644);
  }
  int fd() const { return dir_.fd(); }

 private:
  TempDir dir_;
};

TEST(CgroupStatsTest, ReadsListsOfCpus) {
  EXPECT_EQ(parse_cpu_list("0-2,5\n"), (Cpus{0, 1, 2, 5}));
  EXPECT_EQ(parse_cpu_list("\n"), Cpus{});
  EXPECT_EQ(parse_cpu_list("3-1,x,0-99999999"), Cpus{});
}

TEST(CgroupStatsTest, ReadsBlockIoOfV1WithoutSums) {
  EXPECT_EQ(lines(parse_blkio("8:0 Read 10\n8:0 Total 12\n8:16 7\nTotal 12\n")),
            (Lines{"8:0 Read 10", "8:0 Total 12", "8:16  7"}));
  EXPECT_TRUE(parse_blkio("nonsense\n1:x Read 2\n").empty());
}

TEST(CgroupStatsTest, ReadsBlockIoOfV2AsV1SaysIt) {
  const auto io =
      parse_io_stat("8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n254:1 rios=9\n");
  EXPECT_EQ(lines(io.service_bytes), (Lines{"8:0 Read 1", "8:0 Write 2"}));
  EXPECT_EQ(lines(io.serviced), (Lines{"8:0 Read 3", "8:0 Write 4", "254:1 Read 9"}));
}

TEST(CgroupStatsTest, ReadsPressure) {
  const auto pressure = parse_pressure(
      "some avg10=1.50 avg60=0.25 avg300=12.00 total=77\n"
      "full avg10=0.00 avg60=0.00 avg300=0.05 total=8\n");
  EXPECT_DOUBLE_EQ(pressure.some.avg10, 1.5);
  EXPECT_DOUBLE_EQ(pressure.some.avg60, 0.25);
  EXPECT_DOUBLE_EQ(pressure.some.avg300, 12);
  EXPECT_EQ(pressure.some.total, 77U);
  EXPECT_DOUBLE_EQ(pressure.full.avg300, 0.05);
  EXPECT_EQ(pressure.full.total, 8U);
}

TEST(CgroupStatsTest, NamesHugePagesAsTheirFilesDo) {
  EXPECT_EQ(hugepage_size("hugepages-64kB"), "64KB");
  EXPECT_EQ(hugepage_size("hugepages-2048kB"), "2MB");
  EXPECT_EQ(hugepage_size("hugepages-1048576kB"), "1GB");
  EXPECT_EQ(hugepage_size("hugepages-xkB"), "");
  EXPECT_EQ(hugepage_size("other"), "");
}

TEST(CgroupStatsTest, V2IsTranslated) {
  Files files;
  files.add("cpu.stat",
            "usage_usec 30\nuser_usec 20\nsystem_usec 10\nnr_periods 4\nnr_throttled 3\n"
            "throttled_usec 2\n");
  files.add("cpu.pressure", "some avg10=1.00 avg60=0.00 avg300=0.00 total=1\n");
  files.add("memory.stat", "anon 100\nfile 200\n");
  files.add("memory.current", "300\n");
  files.add("memory.max", "1000\n");
  files.add("memory.peak", "400\n");
  files.add("memory.swap.current", "50\n");
  files.add("memory.swap.max", "500\n");
  files.add("pids.current", "3\n");
  files.add("pids.max", "max\n");
  const CgroupStats stats = stats_v2(files.fd());
  EXPECT_EQ(stats.cpu.usage.total, 30'000U);
  EXPECT_EQ(stats.cpu.usage.user, 20'000U);
  EXPECT_EQ(stats.cpu.usage.kernel, 10'000U);
  EXPECT_EQ(stats.cpu.throttling.periods, 4U);
  EXPECT_EQ(stats.cpu.throttling.throttled_periods, 3U);
  EXPECT_EQ(stats.cpu.throttling.throttled_time, 2000U);
  ASSERT_TRUE(stats.cpu.pressure.has_value());
  EXPECT_FALSE(stats.memory.pressure.has_value());
  EXPECT_EQ(stats.memory.cache, 200U);
  EXPECT_EQ(stats.memory.raw.at("anon"), 100U);
  EXPECT_EQ(stats.memory.usage.usage, 300U);
  EXPECT_EQ(stats.memory.usage.limit, 1000U);
  EXPECT_EQ(stats.memory.usage.max, 400U);
  EXPECT_EQ(stats.memory.swap.usage, 350U);
  EXPECT_EQ(stats.memory.swap.limit, 1500U);
  EXPECT_EQ(stats.pids.current, 3U);
  EXPECT_EQ(stats.pids.limit, 0U);
}

TEST(CgroupStatsTest, UnlimitedSwapStaysSo) {
  Files files;
  files.add("memory.current", "300\n");
  files.add("memory.max", "1000\n");
  files.add("memory.swap.current", "0\n");
  files.add("memory.swap.max", "max\n");
  EXPECT_EQ(stats_v2(files.fd()).memory.swap.limit, CgroupStats::kUnlimited);
}

TEST(CgroupStatsTest, WithoutThePidsControllerV2CountsProcesses) {
  Files files;
  files.add("cgroup.procs", "12\n14\n");
  EXPECT_EQ(stats_v2(files.fd()).pids.current, 2U);
}

TEST(CgroupStatsTest, V1IsReadByController) {
  Files files;
  files.add("cpuacct.usage", "123456\n");
  files.add("cpuacct.stat", "user 2\nsystem 3\n");
  files.add("cpuacct.usage_percpu", "100 200 \n");
  files.add("cpuacct.usage_all", "cpu user system\n0 60 40\n1 150 50\n");
  files.add("memory.stat", "cache 9\nrss 8\n");
  files.add("memory.usage_in_bytes", "17\n");
  files.add("memory.max_usage_in_bytes", "20\n");
  files.add("memory.failcnt", "1\n");
  files.add("memory.limit_in_bytes", "4096\n");
  files.add("cpuset.cpus", "0-1\n");
  files.add("cpuset.sched_relax_domain_level", "-1\n");
  files.add("blkio.throttle.io_serviced_recursive", "8:0 Read 5\n");
  CgroupStats stats;
  for (const char* controller : {"cpuacct", "memory", "cpuset", "blkio", "name=systemd"})
    add_stats_v1(files.fd(), controller, stats);
  EXPECT_EQ(stats.cpu.usage.total, 123'456U);
  EXPECT_EQ(stats.cpu.usage.user, 20'000'000U);
  EXPECT_EQ(stats.cpu.usage.kernel, 30'000'000U);
  EXPECT_EQ(stats.cpu.usage.per_cpu, (std::vector<std::uint64_t>{100, 200}));
  EXPECT_EQ(stats.cpu.usage.per_cpu_user, (std::vector<std::uint64_t>{60, 150}));
  EXPECT_EQ(stats.cpu.usage.per_cpu_kernel, (std::vector<std::uint64_t>{40, 50}));
  EXPECT_EQ(stats.memory.cache, 9U);
  EXPECT_EQ(stats.memory.usage.usage, 17U);
  EXPECT_EQ(stats.memory.usage.max, 20U);
  EXPECT_EQ(stats.memory.usage.failcnt, 1U);
  EXPECT_EQ(stats.memory.usage.limit, 4096U);
  EXPECT_EQ(stats.memory.swap.limit, 0U);
  EXPECT_EQ(stats.cpuset.cpus, (Cpus{0, 1}));
  EXPECT_EQ(stats.cpuset.sched_relax_domain_level, -1);
  EXPECT_EQ(lines(stats.block_io.serviced), (Lines{"8:0 Read 5"}));
}

}  // namespace
}  // namespace layerkit::runner
