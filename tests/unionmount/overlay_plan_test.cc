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

std::string text_of(const std::vector<OverlayOption>& options) {
  std::string text;
  for (const OverlayOption& option : options)
    text += option.key + "=" + option.value + " ";
  return text;
}

std::string options_of(const OverlayPlan& plan) {
  return text_of(plan.options);
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
            "index=off metacopy=off xino=off redirect_dir=nofollow nfs_export=off uuid=null ");
  EXPECT_EQ(options_of(plan_overlay(spec, OverlayXattrs::User)),
            "index=off metacopy=off xino=off redirect_dir=nofollow nfs_export=off uuid=null "
            "userxattr= ");
}

TEST(OverlayPlanTest, SettingsAreSaidToTheKernel) {
  UnionSpec spec = read_only_union(2);
  spec.overlay = {.redirect_dir = OverlayRedirect::Off,
                  .xino = OverlayXino::Auto,
                  .uuid = OverlayUuid::On,
                  .verity = OverlayVerity::Require,
                  .index = true};
  EXPECT_EQ(options_of(plan_overlay(spec, OverlayXattrs::Trusted)),
            "index=on metacopy=off xino=auto redirect_dir=off nfs_export=off uuid=on "
            "verity=require ");
}

TEST(OverlayPlanTest, SomeSettingsBringOthersWithThem) {
  const auto has = [](const OverlaySettings& settings, const std::string& text) {
    const std::string all = text_of(overlay_options(settings, OverlayXattrs::Trusted));
    return all.find(text) != std::string::npos;
  };
  EXPECT_TRUE(has({.metacopy = true}, "metacopy=on xino=off redirect_dir=on"));
  EXPECT_TRUE(has({.user_xattrs = true}, "userxattr"));
  EXPECT_TRUE(has({.index = true}, "uuid=null"));
  // File handles need the UUID.
  EXPECT_FALSE(has({.index = true, .nfs_export = true}, "uuid"));
}

TEST(OverlayPlanTest, RefusesSettingsThatExcludeEachOther) {
  const auto refused = [](const OverlaySettings& settings, OverlayXattrs xattrs,
                          const std::string& message) {
    expect_error(Errc::Invalid, "overlayfs's options " + message + " exclude each other",
                 [&] { overlay_options(settings, xattrs); });
  };
  using enum OverlayXattrs;
  refused({.nfs_export = true}, Trusted, "nfs_export=on and index=off");
  refused({.metacopy = true, .index = true, .nfs_export = true}, Trusted,
          "nfs_export=on and metacopy=on");
  refused({.redirect_dir = OverlayRedirect::Follow, .metacopy = true}, Trusted,
          "metacopy=on and redirect_dir=follow");
  refused({.metacopy = true, .user_xattrs = true}, Trusted, "metacopy=on and userxattr");
  refused({.metacopy = true}, User, "metacopy=on and userxattr (as in every user namespace)");
  refused({.verity = OverlayVerity::On}, User,
          "verity=on and userxattr (as in every user namespace)");
  refused({.redirect_dir = OverlayRedirect::On}, User,
          "redirect_dir=on and userxattr (as in every user namespace)");
}

TEST(OverlayPlanTest, DirectoriesOfDataNeedABranchAbove) {
  UnionSpec spec;
  spec.data_directories.push_back(open_at(AT_FDCWD, "/", O_PATH | O_DIRECTORY));
  spec.branches.push_back(any_branch(BranchAccess::ReadWrite));
  spec.work = open_at(AT_FDCWD, "/", O_PATH | O_DIRECTORY);
  expect_error(Errc::Invalid, "there are directories of data, but no read-only branch above them",
               [&] { plan_overlay(spec, OverlayXattrs::Trusted); });
  spec.branches.push_back(any_branch());
  EXPECT_EQ(plan_overlay(spec, OverlayXattrs::Trusted).data_fds,
            std::vector<int>{spec.data_directories[0].get()});
}

TEST(OverlayPlanTest, DirectoriesOfDataCountAsLowers) {
  UnionSpec spec = read_only_union(500);
  spec.data_directories.push_back(open_at(AT_FDCWD, "/", O_PATH | O_DIRECTORY));
  expect_error(Errc::Limit, "the union has 501 read-only branches, overlayfs takes at most 500",
               [&] { plan_overlay(spec, OverlayXattrs::Trusted); });
}

TEST(OverlayPlanTest, OnlyReadOnlyBranchesHaveMappedOwners) {
  UnionSpec spec = read_only_union(2);
  spec.branches[1].id_mapping = open_at(AT_FDCWD, "/proc/self/ns/user", O_RDONLY);
  EXPECT_NO_THROW(plan_overlay(spec, OverlayXattrs::Trusted));
  spec.branches[0].access = BranchAccess::ReadWrite;
  spec.branches[0].id_mapping = open_at(AT_FDCWD, "/proc/self/ns/user", O_RDONLY);
  spec.work = open_at(AT_FDCWD, "/", O_PATH | O_DIRECTORY);
  expect_error(Errc::Unsupported, "the owners of branch 0 are mapped, but it is writable",
               [&] { plan_overlay(spec, OverlayXattrs::Trusted); });
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
  plan.data_fds = {10, 11};
  plan.options = {{"index", "off"}, {"uuid", "null", OptionNeed::WhereKnown}, {"volatile", ""}};
  EXPECT_EQ(overlay_mount_data(plan, 4095),
            "lowerdir=7:8::10::11,upperdir=6,workdir=9,index=off,volatile");
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
