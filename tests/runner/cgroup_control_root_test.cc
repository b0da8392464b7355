#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include <filesystem>
#include <functional>

#include "cgroup_devices.h"
#include "cgroup_files.h"
#include "expect_error.h"
#include "layerkit/base/text.h"
#include "runner_fixture.h"

namespace layerkit::testing {
namespace {

using runner::Cgroup;

/// A process that does nothing. Killed and reaped at the end.
class Sleeper {
 public:
  Sleeper() : pid_(::fork()) {
    if (pid_ != 0) return;
    for (;;)
      ::pause();
  }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;
  ~Sleeper() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    wait();
  }
  pid_t pid() const { return pid_; }
  /// The signal that ended it.
  int wait() {
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  }

 private:
  pid_t pid_;
};

/// The same for cgroup v1 and for v2, on the hierarchies of this system.
class CgroupControlTest : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    layout_ = runner::read_cgroup_layout();
    if (GetParam() == 2) layout_.v1.clear();
    if (GetParam() == 1) layout_.v2.reset();
    if (!layout_.v2 && !has_v1("freezer")) GTEST_SKIP() << "needs that version of cgroups";
    if (GetParam() == 2 && !layout_.v2) GTEST_SKIP() << "needs a mounted cgroup2";
  }
  void TearDown() override { EXPECT_TRUE(leftover_cgroups().empty()); }

  const runner::CgroupLayout& layout() const { return layout_; }
  const std::string& path() const { return path_; }
  std::unique_ptr<Cgroup> make(const Resources& resources = {}) const {
    return runner::make_cgroup(layout_, path_, resources, Context{});
  }
  /// In each of its directories.
  static void move_in(const Cgroup& cgroup, pid_t pid, const std::string& below = "") {
    for (const std::string& directory : cgroup.directories()) {
      if (!below.empty()) make_dirs(directory + below, 0755);
      if (directory.find("/cpuset/") != std::string::npos && !below.empty())
        runner::inherit_cpuset(directory, below.substr(1));
      write(directory + below + "/cgroup.procs", std::to_string(pid));
    }
  }
  static void write(const std::string& file, const std::string& text) {
    const int error = runner::write_control(AT_FDCWD, file, text);
    EXPECT_EQ(error, 0) << file << ": " << errno_text(error);
  }

 private:
  runner::CgroupLayout layout_;
  std::string path_ = test_cgroup_parent() + "/" + unique_id();
};

INSTANTIATE_TEST_SUITE_P(Versions,
                         CgroupControlTest,
                         ::testing::Values(1, 2),
                         [](const auto& version) { return fmt::format("V{}", version.param); });

TEST_P(CgroupControlTest, ListsProcessesInItAndBelowInOrder) {
  const auto cgroup = make();
  EXPECT_TRUE(cgroup->processes().empty());
  Sleeper first;
  Sleeper second;
  move_in(*cgroup, second.pid());
  move_in(*cgroup, first.pid(), "/a/b");
  std::vector<pid_t> expected = {first.pid(), second.pid()};
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(cgroup->processes(), expected);
}

TEST_P(CgroupControlTest, SignalsReachEveryProcess) {
  const auto cgroup = make();
  Sleeper first;
  Sleeper second;
  move_in(*cgroup, first.pid());
  move_in(*cgroup, second.pid(), "/nested");
  cgroup->signal_all(SIGUSR1);
  EXPECT_EQ(first.wait(), SIGUSR1);
  EXPECT_EQ(second.wait(), SIGUSR1);
}

TEST_P(CgroupControlTest, FreezesAndThaws) {
  const auto cgroup = make();
  int questions[2] = {-1, -1};
  int answers[2] = {-1, -1};
  ASSERT_EQ(::pipe2(questions, O_CLOEXEC), 0);
  ASSERT_EQ(::pipe2(answers, O_CLOEXEC), 0);
  const Fd question(questions[1]);
  const Fd answer(answers[0]);
  const pid_t pid = ::fork();
  if (pid == 0) {
    char byte = 0;
    const bool passed_on =
        ::read(questions[0], &byte, 1) == 1 && ::write(answers[1], &byte, 1) == 1;
    ::_exit(passed_on ? 0 : 1);
  }
  ::close(questions[0]);
  ::close(answers[1]);
  move_in(*cgroup, pid);
  EXPECT_FALSE(cgroup->frozen());
  cgroup->freeze();
  EXPECT_TRUE(cgroup->frozen());
  char byte = 'x';
  EXPECT_EQ(::write(question.get(), &byte, 1), 1);
  pollfd answered{answer.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&answered, 1, 0), 0) << "it runs";
  cgroup->thaw();
  EXPECT_FALSE(cgroup->frozen());
  EXPECT_EQ(::read(answer.get(), &byte, 1), 1);
  EXPECT_EQ(byte, 'x');
  EXPECT_EQ(::waitpid(pid, nullptr, 0), pid);
}

TEST_P(CgroupControlTest, AnEmptyOneFreezesAtOnce) {
  const auto cgroup = make();
  cgroup->freeze();
  EXPECT_TRUE(cgroup->frozen());
}

TEST_P(CgroupControlTest, FrozenProcessesAreKilled) {
  const auto cgroup = make();
  Sleeper outer;
  Sleeper inner;
  move_in(*cgroup, outer.pid());
  move_in(*cgroup, inner.pid(), "/nested");
  cgroup->freeze();
  runner::find_nested_cgroup(layout(), path(), "nested")->freeze();
  cgroup->signal_all(SIGKILL);
  EXPECT_EQ(outer.wait(), SIGKILL);
  EXPECT_EQ(inner.wait(), SIGKILL);
}

TEST_P(CgroupControlTest, RemovalTakesFrozenAndNestedOnesAlong) {
  auto cgroup = make();
  Sleeper sleeper;
  move_in(*cgroup, sleeper.pid(), "/a/b");
  cgroup->freeze();
  cgroup.reset();
  EXPECT_EQ(sleeper.wait(), SIGKILL);
  EXPECT_EQ(runner::find_cgroup(layout(), path()), nullptr);
}

TEST_P(CgroupControlTest, KeptItOutlivesItsObject) {
  Sleeper sleeper;
  {
    const auto cgroup = make();
    move_in(*cgroup, sleeper.pid());
    cgroup->keep();
  }
  const auto found = runner::find_cgroup(layout(), path());
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->processes(), std::vector<pid_t>{sleeper.pid()});
  found->remove();
  EXPECT_EQ(sleeper.wait(), SIGKILL);
  EXPECT_EQ(runner::find_cgroup(layout(), path()), nullptr);
}

TEST_P(CgroupControlTest, AFoundOneCanBeJoined) {
  const auto made = make();
  const auto found = runner::find_cgroup(layout(), path());
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->directories(), made->directories());
  EXPECT_EQ(found->join_files().size(), layout().v1.size());
  EXPECT_EQ(found->clone_directory() >= 0, layout().v1.empty());
  for (const int file : found->join_files())
    EXPECT_GE(::fcntl(file, F_GETFD), 0);
}

TEST_P(CgroupControlTest, AFrozenOneThatIsThereIsRefusedAndKept) {
  const auto first = make();
  first->freeze();
  expect_error(Errc::Busy, "container's cgroup unexpectedly frozen", [&] { make(); });
  EXPECT_NE(runner::find_cgroup(layout(), path()), nullptr);
  EXPECT_EQ(runner::find_cgroup(layout(), path())->directories(), first->directories());
}

TEST_P(CgroupControlTest, ANewOneInAFrozenParentIsRefusedAndGone) {
  const auto parent = make();
  parent->freeze();
  expect_error(Errc::Busy, "container's cgroup unexpectedly frozen",
               [&] { runner::make_cgroup(layout(), path() + "/child", {}, Context{}); });
  EXPECT_EQ(runner::find_cgroup(layout(), path() + "/child"), nullptr);
}

TEST_P(CgroupControlTest, OneWithProcessesInsideItIsRefusedAndKept) {
  const auto first = make();
  Sleeper sleeper;
  move_in(*first, sleeper.pid(), "/nested");
  expect_error(Errc::Busy, "container's cgroup is not empty", [&] { make(); });
  EXPECT_EQ(first->processes(), std::vector<pid_t>{sleeper.pid()});
}

TEST_P(CgroupControlTest, AnEmptyOneThatIsThereIsUsed) {
  make()->keep();
  const auto before = runner::find_cgroup(layout(), path());
  ASSERT_NE(before, nullptr);
  make_dirs(before->directories().front() + "/left", 0755);
  const auto used = make();
  EXPECT_EQ(used->directories(), before->directories());
  EXPECT_FALSE(std::filesystem::exists(before->directories().front() + "/left"));
}

TEST_P(CgroupControlTest, DeviceRulesHoldAndAreReplaced) {
  if (GetParam() == 1 && !has_v1("devices")) GTEST_SKIP() << "needs the devices controller";
  const auto cgroup = make();
  ASSERT_TRUE(cgroup->filters_devices());
  const auto opens_kmsg = [&] {
    const pid_t pid = ::fork();
    if (pid == 0) {
      for (const std::string& directory : cgroup->directories())
        runner::write_control(AT_FDCWD, directory + "/cgroup.procs", "0");
      if (::open("/dev/null", O_RDWR | O_CLOEXEC) < 0) ::_exit(2);
      ::_exit(::open("/dev/kmsg", O_RDONLY | O_CLOEXEC) < 0 ? 1 : 0);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
  };
  EXPECT_EQ(opens_kmsg(), 1);
  Resources resources;
  resources.devices = {{true, 'c', 1, 11, "r"}};
  cgroup->apply(resources);
  EXPECT_EQ(opens_kmsg(), 0);
  cgroup->apply({});
  EXPECT_EQ(opens_kmsg(), 0) << "no rules leave them alone";
  resources.devices = {{false, 'a', {}, {}, "rwm"}};
  cgroup->apply(resources);
  EXPECT_EQ(opens_kmsg(), 1);
  resources.devices = {{true, 'a', {}, {}, "rwm"}};
  cgroup->apply(resources);
  EXPECT_EQ(opens_kmsg(), 0);
}

TEST_P(CgroupControlTest, RulesOfTheSpecHoldFromTheStart) {
  if (GetParam() == 1 && !has_v1("devices")) GTEST_SKIP() << "needs the devices controller";
  Resources resources;
  resources.devices = {{true, 'a', {}, {}, "rwm"}, {false, 'c', 1, 11, "w"}};
  const auto cgroup = make(resources);
  EXPECT_TRUE(cgroup->filters_devices());
  const pid_t pid = ::fork();
  if (pid == 0) {
    for (const std::string& directory : cgroup->directories())
      runner::write_control(AT_FDCWD, directory + "/cgroup.procs", "0");
    const bool reads = ::open("/dev/kmsg", O_RDONLY | O_CLOEXEC) >= 0;
    const bool writes = ::open("/dev/kmsg", O_WRONLY | O_CLOEXEC) >= 0;
    ::_exit((reads ? 1 : 0) + (writes ? 2 : 0));
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 1);
}

TEST_P(CgroupControlTest, CountsItsProcesses) {
  if (GetParam() == 1 && !has_v1("pids")) GTEST_SKIP() << "needs the pids controller";
  Sleeper sleeper;
  const auto cgroup = make();
  move_in(*cgroup, sleeper.pid());
  const CgroupStats stats = cgroup->stats();
  EXPECT_EQ(stats.pids.current, 1U);
  EXPECT_EQ(stats.pids.limit, 0U);
}

class CgroupV1LimitsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    for (const char* controller : {"memory", "cpu", "cpuset", "pids", "blkio"})
      if (!has_v1(controller)) GTEST_SKIP() << "needs cgroup v1's " << controller;
  }
  void TearDown() override { EXPECT_TRUE(leftover_cgroups().empty()); }

  std::unique_ptr<Cgroup> make(const Resources& resources) const {
    return runner::make_cgroup(runner::read_cgroup_layout(), test_cgroup_parent() + "/" + id_,
                               resources, Context{});
  }
  std::string value(const std::string& controller, const std::string& file) const {
    std::string text = cgroup_file(controller, id_, file);
    while (text.ends_with('\n'))
      text.pop_back();
    return text;
  }

 private:
  std::string id_ = unique_id();
};

TEST_F(CgroupV1LimitsTest, EveryLimitIsWritten) {
  Resources resources;
  resources.memory.limit = 64 << 20;
  resources.memory.swap = 96 << 20;
  resources.memory.reservation = 32 << 20;
  resources.memory.kernel_tcp = 16 << 20;
  resources.memory.swappiness = 20;
  resources.memory.disable_oom_killer = true;
  resources.cpu.shares = 512;
  resources.cpu.quota = 20'000;
  resources.cpu.period = 50'000;
  resources.cpu.burst = 10'000;
  resources.cpu.cpus = "0";
  resources.cpu.mems = "0";
  resources.pids_limit = 33;
  const auto cgroup = make(resources);
  EXPECT_EQ(value("memory", "memory.limit_in_bytes"), "67108864");
  EXPECT_EQ(value("memory", "memory.memsw.limit_in_bytes"), "100663296");
  EXPECT_EQ(value("memory", "memory.soft_limit_in_bytes"), "33554432");
  EXPECT_EQ(value("memory", "memory.kmem.tcp.limit_in_bytes"), "16777216");
  EXPECT_EQ(value("memory", "memory.swappiness"), "20");
  EXPECT_TRUE(value("memory", "memory.oom_control").starts_with("oom_kill_disable 1"));
  EXPECT_EQ(value("cpu", "cpu.shares"), "512");
  EXPECT_EQ(value("cpu", "cpu.cfs_quota_us"), "20000");
  EXPECT_EQ(value("cpu", "cpu.cfs_period_us"), "50000");
  EXPECT_EQ(value("cpu", "cpu.cfs_burst_us"), "10000");
  EXPECT_EQ(value("cpuset", "cpuset.cpus"), "0");
  EXPECT_EQ(value("cpuset", "cpuset.mems"), "0");
  EXPECT_EQ(value("pids", "pids.max"), "33");
}

TEST_F(CgroupV1LimitsTest, MemoryAndSwapGrowAndShrinkTogether) {
  const auto cgroup = make({});
  for (const std::int64_t megabytes : {100, 300, 50, 80}) {
    Resources resources;
    resources.memory.limit = megabytes << 20U;
    resources.memory.swap = (megabytes + 10) << 20U;
    cgroup->apply(resources);
    EXPECT_EQ(value("memory", "memory.limit_in_bytes"), std::to_string(*resources.memory.limit));
    EXPECT_EQ(value("memory", "memory.memsw.limit_in_bytes"),
              std::to_string(*resources.memory.swap));
  }
  Resources unlimited;
  unlimited.memory.limit = -1;
  cgroup->apply(unlimited);
  EXPECT_EQ(value("memory", "memory.limit_in_bytes"), "9223372036854771712");
  EXPECT_EQ(value("memory", "memory.memsw.limit_in_bytes"), "9223372036854771712");
}

TEST_F(CgroupV1LimitsTest, QuotaPeriodAndBurstGrowAndShrinkTogether) {
  const auto cgroup = make({});
  for (const std::int64_t quota : {10'000, 90'000, 2'000, 500'000}) {
    Resources resources;
    resources.cpu.quota = quota;
    resources.cpu.period = static_cast<std::uint64_t>(quota) * 2;
    resources.cpu.burst = static_cast<std::uint64_t>(quota);
    cgroup->apply(resources);
    EXPECT_EQ(value("cpu", "cpu.cfs_quota_us"), std::to_string(quota));
    EXPECT_EQ(value("cpu", "cpu.cfs_burst_us"), std::to_string(quota));
  }
}

TEST_F(CgroupV1LimitsTest, IdleAndBackWithShares) {
  const auto cgroup = make({});
  Resources resources;
  resources.cpu.idle = 1;
  resources.cpu.shares = 200;
  cgroup->apply(resources);
  EXPECT_EQ(value("cpu", "cpu.idle"), "1");
  resources.cpu.idle = 0;
  cgroup->apply(resources);
  EXPECT_EQ(value("cpu", "cpu.idle"), "0");
  EXPECT_EQ(value("cpu", "cpu.shares"), "200");
}

TEST_F(CgroupV1LimitsTest, WhatIsNotSetStays) {
  Resources resources;
  resources.pids_limit = 40;
  resources.cpu.shares = 300;
  const auto cgroup = make(resources);
  Resources change;
  change.pids_limit = -1;
  cgroup->apply(change);
  EXPECT_EQ(value("pids", "pids.max"), "max");
  EXPECT_EQ(value("cpu", "cpu.shares"), "300");
}

TEST_F(CgroupV1LimitsTest, CpusetsComeFromAbove) {
  const auto cgroup = make({});
  const auto root = v1_hierarchy("cpuset")->mount_point;
  const Fd directory = open_dir_at(AT_FDCWD, root);
  EXPECT_EQ(value("cpuset", "cpuset.cpus") + "\n",
            runner::read_control(directory.get(), "cpuset.cpus"));
  EXPECT_EQ(value("cpuset", "cpuset.mems") + "\n",
            runner::read_control(directory.get(), "cpuset.mems"));
}

TEST_F(CgroupV1LimitsTest, AValueTheKernelRefusesIsNamedAndNothingStays) {
  Resources resources;
  resources.cpu.cpus = "4000";
  expect_error(Errc::Io, "limiting cpus: writing '4000' to", [&] { make(resources); });
}

TEST_F(CgroupV1LimitsTest, AControllerThatIsNotThereIsNamed) {
  const auto refused = [&](const std::string& text, void (*change)(Resources&)) {
    Resources resources;
    change(resources);
    expect_error(Errc::Unsupported, text, [&] { make(resources); });
  };
  if (!has_v1("hugetlb")) {
    refused("limiting huge pages: this system has no usable cgroup controller 'hugetlb'",
            [](Resources& r) {
              r.hugepages = {{"2MB", 0}};
            });
  }
  if (!has_v1("net_cls")) {
    refused("limiting the network class: this system has no usable cgroup controller 'net_cls'",
            [](Resources& r) { r.network.class_id = 1; });
  }
  refused("limiting block I/O leaf weight: this kernel's cgroup controller 'blkio' has no",
          [](Resources& r) { r.block_io.leaf_weight = 10; });
}

TEST_F(CgroupV1LimitsTest, StatsShowTheLimits) {
  Resources resources;
  resources.memory.limit = 64 << 20;
  resources.pids_limit = 12;
  resources.cpu.cpus = "0";
  const CgroupStats stats = make(resources)->stats();
  EXPECT_EQ(stats.memory.usage.limit, 64U << 20U);
  EXPECT_GT(stats.memory.swap.limit, 64U << 20U);
  EXPECT_FALSE(stats.memory.raw.empty());
  EXPECT_EQ(stats.pids.limit, 12U);
  EXPECT_EQ(stats.cpuset.cpus, std::vector<std::uint16_t>{0});
  EXPECT_FALSE(stats.cpu.usage.per_cpu.empty());
}

TEST_F(CgroupV1LimitsTest, ViewsShowEveryHierarchy) {
  const auto cgroup = make({});
  std::vector<std::string> names;
  for (const runner::CgroupView& view : cgroup->views())
    names.push_back(view.name);
  for (const auto& hierarchy : runner::read_cgroup_layout().v1) {
    std::string name = hierarchy.controllers.front();
    if (name.starts_with("name=")) name.erase(0, 5);
    EXPECT_TRUE(std::any_of(names.begin(), names.end(), [&](const std::string& each) {
      return each.starts_with(name);
    })) << name;
  }
}

}  // namespace
}  // namespace layerkit::testing
