#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "cgroup.h"
#include "cgroup_files.h"
#include "expect_error.h"
#include "layerkit/base/byte_stream.h"
#include "layerkit/base/file.h"
#include "temp_dir.h"

namespace layerkit::runner {
namespace {

using layerkit::testing::expect_error;
using layerkit::testing::TempDir;
using Words = std::vector<std::string>;

TEST(CgroupLayoutTest, ReadsAPureV2System) {
  const CgroupLayout layout = parse_cgroup_layout(
      "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
      "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
      "0::/user.slice/session-1.scope\n");
  EXPECT_TRUE(layout.v1.empty());
  ASSERT_TRUE(layout.v2.has_value());
  EXPECT_EQ(layout.v2->mount_point, "/sys/fs/cgroup");
  EXPECT_EQ(layout.v2->own_path, "/user.slice/session-1.scope");
}

TEST(CgroupLayoutTest, ReadsAHybridSystemWithJointControllers) {
  const CgroupLayout layout = parse_cgroup_layout(
      "1 0 0:1 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
      "2 0 0:2 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
      "3 0 0:3 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
      "4 0 0:2 / /elsewhere rw - cgroup cgroup rw,memory\n"
      "5 0 0:5 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
      "2:memory:/a\n1:cpu,cpuacct:/\n0::/\n");
  ASSERT_EQ(layout.v1.size(), 3U);
  EXPECT_EQ(layout.v1[0].controllers, (Words{"cpu", "cpuacct"}));
  EXPECT_EQ(layout.v1[1].mount_point, "/sys/fs/cgroup/memory");
  EXPECT_EQ(layout.v1[2].controllers, (Words{"name=systemd"}));
  ASSERT_TRUE(layout.v2.has_value());
  EXPECT_EQ(layout.v2->own_path, "");
}

TEST(CgroupLayoutTest, DecodesBlanksInMountPoints) {
  const CgroupLayout layout =
      parse_cgroup_layout("1 0 0:1 / /c\\040g rw - cgroup2 none rw\n", "0::/\n");
  ASSERT_TRUE(layout.v2.has_value());
  EXPECT_EQ(layout.v2->mount_point, "/c g");
}

TEST(CgroupLayoutTest, AMountOfASubtreeShortensTheOwnPath) {
  const CgroupLayout layout =
      parse_cgroup_layout("1 0 0:1 /pod /cg rw - cgroup2 none rw\n", "0::/pod/mine\n");
  ASSERT_TRUE(layout.v2.has_value());
  EXPECT_EQ(layout.v2->own_path, "/mine");
}

TEST(CgroupLayoutTest, WhatIsAtTheUsualPlacesIsWhatMountinfoSays) {
  const auto text = [](const char* path) {
    const Fd file = open_at(AT_FDCWD, path, O_RDONLY);
    FdSource source(file.get(), path);
    return read_all(source, 64U << 20U, path);
  };
  const std::string self = text("/proc/self/cgroup");
  const auto usual = find_usual_cgroups(self);
  if (!usual) GTEST_SKIP() << "this system has cgroups elsewhere than at the usual places";
  CgroupLayout all = parse_cgroup_layout(text("/proc/self/mountinfo"), self);
  const auto by_place = [](const CgroupHierarchy& a, const CgroupHierarchy& b) {
    return a.mount_point < b.mount_point;
  };
  std::vector<CgroupHierarchy> found = usual->v1;
  std::sort(found.begin(), found.end(), by_place);
  std::sort(all.v1.begin(), all.v1.end(), by_place);
  ASSERT_EQ(found.size(), all.v1.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].mount_point, all.v1[i].mount_point);
    EXPECT_EQ(found[i].controllers, all.v1[i].controllers);
  }
  ASSERT_EQ(usual->v2.has_value(), all.v2.has_value());
  if (!all.v2) return;
  EXPECT_EQ(usual->v2->mount_point, all.v2->mount_point);
  EXPECT_EQ(usual->v2->own_path, all.v2->own_path);
}

TEST(CgroupLayoutTest, AHierarchyThatIsNotAtItsUsualPlaceIsLookedForInMountinfo) {
  EXPECT_FALSE(find_usual_cgroups("1:name=no-such-hierarchy:/\n0::/\n"));
  EXPECT_FALSE(find_usual_cgroups("1:name=..:/\n"));
  EXPECT_FALSE(find_usual_cgroups(""));
}

TEST(CgroupLayoutTest, NonsenseLinesAreNoMounts) {
  const CgroupLayout layout = parse_cgroup_layout("\n1 2\n- - - - - - - - - -\n", "x\n");
  EXPECT_TRUE(layout.v1.empty());
  EXPECT_FALSE(layout.v2.has_value());
}

TEST(CgroupTest, AParentThatIsNoCleanRelativePathIsRefused) {
  for (const char* parent : {"", "/", "/a", "a/../b", "a//b"}) {
    expect_error(Errc::Invalid, "cgroup path", [&] { make_cgroup({}, parent, {}, {}); });
  }
}

TEST(CgroupTest, AParentAboveTheHierarchyIsRefused) {
  expect_error(Errc::Invalid, "it leaves the root", [] { make_cgroup({}, "../a", {}, {}); });
}

TEST(CgroupTest, WithoutHierarchiesOnlyLimitsAreRefused) {
  EXPECT_NO_THROW(make_cgroup({}, "p/a", {}, {}));
  Resources resources;
  resources.pids_limit = 5;
  expect_error(Errc::Unsupported,
               "limiting processes: this system has no usable cgroup controller 'pids'",
               [&] { make_cgroup({}, "p/a", resources, {}); });
}

TEST(CgroupFilesTest, WordsAreComparedWhole) {
  EXPECT_TRUE(has_word("cpu memory pids\n", "pids"));
  EXPECT_TRUE(has_word("memory", "memory"));
  EXPECT_FALSE(has_word("cpuset memory\n", "cpu"));
  EXPECT_FALSE(has_word("", "cpu"));
}

TEST(CgroupLayoutTest, AHierarchyWithoutPrefixesIsLeftOut) {
  const CgroupLayout layout = parse_cgroup_layout(
      "1 0 0:1 / /dev/cpuset rw - cgroup none rw,cpuset,noprefix,release_agent=/x\n",
      "1:cpuset:/\n");
  EXPECT_TRUE(layout.v1.empty());
}

TEST(CgroupFilesTest, ReadsNumbersByKey) {
  const TempDir dir;
  write_file_at(dir.fd(), "memory.events", "low 0\noom 3\noom_kill 2\noom_group_kill 9\n", 0644);
  EXPECT_EQ(keyed_number(dir.fd(), "memory.events", "oom_kill"), 2U);
  EXPECT_EQ(keyed_number(dir.fd(), "memory.events", "max"), 0U);
  EXPECT_EQ(keyed_number(dir.fd(), "absent", "oom_kill"), 0U);
}

}  // namespace
}  // namespace layerkit::runner
