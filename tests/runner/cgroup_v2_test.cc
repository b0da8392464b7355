#include <gtest/gtest.h>

#include "cgroup.h"
#include "cgroup_files.h"
#include "expect_error.h"
#include "layerkit/base/file.h"
#include "temp_dir.h"

namespace layerkit::runner {
namespace {

using layerkit::testing::expect_error;
using layerkit::testing::TempDir;

/// A v2 hierarchy of plain files, with all controllers at its root.
class FakeV2 {
 public:
  FakeV2() {
    layout_.v2 = CgroupHierarchy{root_.path(), {}, {}};
    write("cgroup.controllers", "cpu memory pids io\n");
    write("cgroup.subtree_control", "");
  }

  const CgroupLayout& layout() const { return layout_; }
  int fd() const { return root_.fd(); }
  bool has(const std::string& name) const { return stat_at(root_.fd(), name).has_value(); }
  void write(const std::string& name, const std::string& text) {
    write_file_at(root_.fd(), name, text, 0644);
  }
  std::string read(const std::string& name) const {
    return read_control(root_.fd(), name).value_or("(none)");
  }
  /// A cgroup "box" that is there before, with control files.
  void add_box(const std::vector<std::string>& files) {
    make_dir_at(root_.fd(), "box", 0755);
    for (const std::string& file : files)
      write("box/" + file, "");
  }

 private:
  TempDir root_;
  CgroupLayout layout_;
};

TEST(CgroupV2Test, HandsControllersDownFromTheRoot) {
  const FakeV2 fake;
  make_cgroup(fake.layout(), "parent/box", {}, {});
  EXPECT_EQ(fake.read("cgroup.subtree_control"), "+cpu +memory +pids +io");
}

TEST(CgroupV2Test, ALimitWithoutControllerIsRefusedAndNothingStays) {
  const FakeV2 fake;
  Resources resources;
  resources.memory.limit = 1U << 20U;
  expect_error(Errc::Unsupported, "limiting memory: cgroup controller 'memory' is not available in",
               [&] { make_cgroup(fake.layout(), "a/b/box", resources, {}); });
  EXPECT_FALSE(fake.has("a"));
}

TEST(CgroupV2Test, AUnifiedLimitWithoutControllerIsRefused) {
  const FakeV2 fake;
  Resources resources;
  resources.unified = {{"misc.max", "res_a 1"}};
  expect_error(Errc::Unsupported,
               "unified resource \"misc.max\" can't be set: controller \"misc\" not available",
               [&] { make_cgroup(fake.layout(), "box", resources, {}); });
}

TEST(CgroupV2Test, FindsNothingWhereNothingIs) {
  const FakeV2 fake;
  EXPECT_EQ(find_cgroup(fake.layout(), "parent/box"), nullptr);
}

TEST(CgroupV2Test, WhatIsFoundStays) {
  FakeV2 fake;
  fake.add_box({});
  find_cgroup(fake.layout(), "box");
  EXPECT_TRUE(fake.has("box"));
}

TEST(CgroupV2Test, AFoundCgroupTakesLimits) {
  FakeV2 fake;
  fake.add_box({"memory.max", "memory.swap.max", "memory.low", "cpu.max", "cpu.weight", "pids.max",
                "io.weight", "io.max", "memory.high"});
  Resources resources;
  resources.memory.limit = 4096;
  resources.memory.swap = 8192;
  resources.memory.reservation = 1024;
  resources.cpu.quota = 20'000;
  resources.cpu.period = 40'000;
  resources.cpu.shares = 1024;
  resources.pids_limit = 7;
  resources.block_io.weight = 1000;
  resources.block_io.read_bps = {{8, 0, 100}};
  resources.unified = {{"memory.high", "3000"}};
  find_cgroup(fake.layout(), "box")->apply(resources);
  EXPECT_EQ(fake.read("box/memory.max"), "4096");
  EXPECT_EQ(fake.read("box/memory.swap.max"), "4096");
  EXPECT_EQ(fake.read("box/memory.low"), "1024");
  EXPECT_EQ(fake.read("box/cpu.max"), "20000 40000");
  EXPECT_EQ(fake.read("box/cpu.weight"), "100");
  EXPECT_EQ(fake.read("box/pids.max"), "7");
  EXPECT_EQ(fake.read("box/io.weight"), "10000");
  EXPECT_EQ(fake.read("box/io.max"), "8:0 rbps=100");
  EXPECT_EQ(fake.read("box/memory.high"), "3000");
}

TEST(CgroupV2Test, APeriodAloneKeepsTheQuota) {
  FakeV2 fake;
  fake.add_box({});
  fake.write("box/cpu.max", "30000 100000\n");
  Resources resources;
  resources.cpu.period = 50'000;
  find_cgroup(fake.layout(), "box")->apply(resources);
  EXPECT_TRUE(fake.read("box/cpu.max").starts_with("30000 50000"));
}

TEST(CgroupV2Test, AskedToCheckItRefusesALimitBelowTheUsage) {
  FakeV2 fake;
  fake.add_box({"memory.max", "memory.swap.max"});
  fake.write("box/memory.current", "5000\n");
  Resources resources;
  resources.memory.limit = 5000;
  resources.memory.check_before_update = true;
  const auto cgroup = find_cgroup(fake.layout(), "box");
  expect_error(Errc::Busy, "rejecting memory limit 5000 <= usage 5000",
               [&] { cgroup->apply(resources); });
  EXPECT_EQ(fake.read("box/memory.max"), "");
  resources.memory.limit = 5001;
  cgroup->apply(resources);
  EXPECT_EQ(fake.read("box/memory.max"), "5001");
}

TEST(CgroupV2Test, ALimitWithoutItsFileIsRefused) {
  FakeV2 fake;
  fake.add_box({});
  fake.write("box/cgroup.controllers", "cpu\n");
  Resources resources;
  resources.cpu.idle = 1;
  expect_error(Errc::Unsupported,
               "limiting cpu idle: this kernel's cgroup controller 'cpu' has no 'cpu.idle'",
               [&] { find_cgroup(fake.layout(), "box")->apply(resources); });
}

TEST(CgroupV2Test, AFrozenOneIsRefusedAndStays) {
  FakeV2 fake;
  fake.add_box({});
  fake.write("box/cgroup.events", "populated 0\nfrozen 1\n");
  expect_error(Errc::Busy, "container's cgroup unexpectedly frozen",
               [&] { make_cgroup(fake.layout(), "box", {}, {}); });
  EXPECT_TRUE(fake.has("box"));
}

TEST(CgroupV2Test, OneWithProcessesInsideItIsRefusedAndStays) {
  FakeV2 fake;
  fake.add_box({});
  make_dir_at(fake.fd(), "box/nested", 0755);
  fake.write("box/nested/cgroup.procs", "0\n");
  expect_error(Errc::Busy, "container's cgroup is not empty",
               [&] { make_cgroup(fake.layout(), "box", {}, {}); });
  EXPECT_TRUE(fake.has("box/nested"));
}

TEST(CgroupV2Test, OomKillsOfBeforeAreSomebodyElses) {
  FakeV2 fake;
  fake.add_box({});
  fake.write("box/memory.events", "oom_kill 2\n");
  const auto cgroup = make_cgroup(fake.layout(), "box", {}, {});
  EXPECT_FALSE(cgroup->out_of_memory());
  fake.write("box/memory.events", "oom_kill 3\n");
  EXPECT_TRUE(cgroup->out_of_memory());
}

TEST(CgroupV2Test, NestedOnesAreFoundBelowOnly) {
  FakeV2 fake;
  fake.add_box({});
  make_dir_at(fake.fd(), "box/nested", 0755);
  const auto nested = find_nested_cgroup(fake.layout(), "box", "nested");
  ASSERT_NE(nested, nullptr);
  EXPECT_TRUE(nested->directories().front().ends_with("/box/nested"));
  EXPECT_EQ(find_nested_cgroup(fake.layout(), "box", "other"), nullptr);
  expect_error(Errc::Invalid, "cgroup path",
               [&] { find_nested_cgroup(fake.layout(), "box", "nested/.."); });
}

}  // namespace
}  // namespace layerkit::runner
