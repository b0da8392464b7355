#include "overlay_plan.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "expect_error.h"
#include "layerkit/base/file.h"

namespace layerkit {
namespace {

using testing::expect_error;

Branch any_branch(BranchAccess access = BranchAccess::ReadOnly) {
  return {open_at(AT_FDCWD, "/", O_PATH | O_DIRECTORY), access};
}

UnionSpec read_only_union(std::size_t branches) {
  UnionSpec spec;
  while (spec.branches.size() < branches)
    spec.branches.push_back(any_branch());
  return spec;
}

std::string options_of(const OverlayPlan& plan) {
  std::string text;
  for (const OverlayOption& option : plan.options)
    text += option.key + "=" + option.value + " ";
  return text;
}

TEST(OverlayPlanTest, KeepsTheOrderOfBranches) {
  UnionSpec spec = read_only_union(2);
  spec.branches.insert(spec.branches.begin(), any_branch(BranchAccess::ReadWrite));
  spec.work = open_at(AT_FDCWD, "/", O_PATH | O_DIRECTORY);
  const OverlayPlan plan = plan_overlay(spec, OverlayXattrs::Trusted);
  ASSERT_TRUE(plan.upper);
  EXPECT_EQ(plan.upper->fd, spec.branches[0].directory.get());
  ASSERT_EQ(plan.lowers.size(), 2U);
  EXPECT_EQ(plan.lowers[0].branch, 1U);
  EXPECT_EQ(plan.lowers[1].branch, 2U);
  EXPECT_EQ(plan.work_fd, spec.work.get());
  EXPECT_FALSE(plan.attributes.read_only);
}

TEST(OverlayPlanTest, UppersArePortable) {
  const UnionSpec spec = read_only_union(2);
  EXPECT_EQ(options_of(plan_overlay(spec, OverlayXattrs::Trusted)),
            "index=off metacopy=off xino=off redirect_dir=off ");
  EXPECT_EQ(options_of(plan_overlay(spec, OverlayXattrs::User)),
            "index=off metacopy=off xino=off redirect_dir=nofollow userxattr= ");
}

TEST(OverlayPlanTest, OnlyAWritableUnionCanBeExpendable) {
  UnionSpec spec = read_only_union(2);
  spec.expendable_upper = true;
  EXPECT_EQ(options_of(plan_overlay(spec, OverlayXattrs::Trusted)).find("volatile"),
            std::string::npos);
  spec.branches[0].access = BranchAccess::ReadWrite;
  spec.work = open_at(AT_FDCWD, "/", O_PATH | O_DIRECTORY);
  EXPECT_NE(options_of(plan_overlay(spec, OverlayXattrs::Trusted)).find("volatile"),
            std::string::npos);
}

TEST(OverlayPlanTest, WithoutAWritableBranchTheMountIsReadOnly) {
  EXPECT_TRUE(plan_overlay(read_only_union(2), OverlayXattrs::Trusted).attributes.read_only);
}

TEST(OverlayPlanTest, NamesTheLimitOfLowers) {
  expect_error(Errc::Limit, "the union has 501 read-only branches, overlayfs takes at most 500",
               [] { plan_overlay(read_only_union(501), OverlayXattrs::Trusted); });
}

TEST(OverlayPlanTest, NamesAWritableBranchThatIsNotTheTop) {
  UnionSpec spec = read_only_union(3);
  spec.branches[2].access = BranchAccess::ReadWrite;
  expect_error(Errc::Unsupported, "branch 2 is writable, overlayfs writes only to branch 0",
               [&spec] { plan_overlay(spec, OverlayXattrs::Trusted); });
}

TEST(OverlayPlanTest, AWritableTopNeedsAWorkDirectory) {
  UnionSpec spec = read_only_union(2);
  spec.branches[0].access = BranchAccess::ReadWrite;
  expect_error(Errc::Invalid, "the top branch is writable, but there is no work directory",
               [&spec] { plan_overlay(spec, OverlayXattrs::Trusted); });
}

TEST(OverlayPlanTest, MountDataNamesDirectoriesByDescriptor) {
  OverlayPlan plan;
  plan.lowers = {{1, 7}, {2, 8}};
  plan.upper = OverlayLayer{0, 6};
  plan.work_fd = 9;
  plan.options = {{"index", "off"}, {"volatile", ""}};
  EXPECT_EQ(overlay_mount_data(plan, 4095), "lowerdir=7:8,upperdir=6,workdir=9,index=off,volatile");
}

TEST(OverlayPlanTest, MountDataIsNeverCut) {
  OverlayPlan plan;
  plan.lowers = {{0, 7}, {1, 8}};
  EXPECT_EQ(overlay_mount_data(plan, 12).size(), 12U);
  expect_error(Errc::Limit, "2 read-only branches need 12 bytes of options, mount(2) takes 11",
               [&plan] { overlay_mount_data(plan, 11); });
}

TEST(OverlayPlanTest, OnlyTheInitialUserNamespaceHasTrustedXattrs) {
  EXPECT_EQ(usable_overlay_xattrs("         0          0 4294967295\n"), OverlayXattrs::Trusted);
  EXPECT_EQ(usable_overlay_xattrs("         0       1000          1\n"), OverlayXattrs::User);
  EXPECT_EQ(usable_overlay_xattrs("0 1000 1\n1 100000 65536\n"), OverlayXattrs::User);
  EXPECT_EQ(usable_overlay_xattrs("0 0 4294967294\n"), OverlayXattrs::User);
  EXPECT_EQ(usable_overlay_xattrs(""), OverlayXattrs::User);
}

}  // namespace
}  // namespace layerkit
