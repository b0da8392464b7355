// Several writable branches: which of them a change is made in.

#include <sys/mount.h>

#include "union_aufs.h"

namespace layerkit {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the suite's own words

class AufsBranches : public AufsTest {};

TEST_P(AufsBranches, AFileIsChangedInTheWritableBranchThatHasIt) {
  middle().file("m", "text");
  base().file("d/b", "text");
  mount(all_writable());
  ASSERT_EQ(tried_write(at("m"), "TEXT"), "ok");
  ASSERT_EQ(tried_write(at("d/b"), "!", O_APPEND), "ok");
  EXPECT_EQ(middle().text("m"), "TEXT");
  EXPECT_EQ(base().text("d/b"), "text!");
  EXPECT_EQ(upper().tree(), Names{});
}

TEST_P(AufsBranches, AttributesAreChangedThereToo) {
  base().file("f", "text");
  base().dir("d");
  mount(all_writable());
  for (const char* name : {"f", "d"}) {
    ASSERT_EQ(tried(::chmod(at(name).c_str(), 0700)), "ok");
    ASSERT_EQ(tried(::chown(at(name).c_str(), 1, 2)), "ok");
    ASSERT_EQ(tried_set_xattr(at(name), "user.k", "v"), "ok");
    EXPECT_EQ(mode_of(base().path(name)), 0700U);
    EXPECT_EQ(status_of(base().path(name)).st_uid, 1U);
    EXPECT_EQ(xattr_of(base().path(name), "user.k"), "v");
  }
  ASSERT_EQ(tried(::truncate(at("f").c_str(), 1)), "ok");
  EXPECT_EQ(base().text("f"), "t");
  EXPECT_EQ(upper().tree(), Names{});
}

TEST_P(AufsBranches, AFileOfAReadOnlyBranchIsCopiedUp) {
  base().file("b", "text");
  mount(two_writable());
  ASSERT_EQ(tried_write(at("b"), "TEXT"), "ok");
  EXPECT_EQ(base().text("b"), "text");
  EXPECT_EQ(places_of("b"), "ub");
}

TEST_P(AufsBranches, WhatOneBranchHasIsRemovedThereWithoutATrace) {
  middle().file("f");
  middle().dir("d");
  base().file("b");
  mount(all_writable());
  ASSERT_EQ(tried(::unlink(at("f").c_str())), "ok");
  ASSERT_EQ(tried(::rmdir(at("d").c_str())), "ok");
  ASSERT_EQ(tried(::unlink(at("b").c_str())), "ok");
  for (const BranchDir* branch : {&upper(), &middle(), &base()})
    EXPECT_EQ(branch->tree(), Names{});
}

TEST_P(AufsBranches, WhatLiesBelowTheRemovedIsHiddenByTheSameBranch) {
  middle().file("f", "middle");
  base().file("f", "base");
  mount(two_writable());
  ASSERT_EQ(tried(::unlink(at("f").c_str())), "ok");
  EXPECT_EQ(names_in(root()), Names{});
  EXPECT_EQ(places_of("f"), "b");
  EXPECT_TRUE(middle().has_whiteout("f"));
  EXPECT_FALSE(upper().has_whiteout("f"));
}

TEST_P(AufsBranches, AWritableLowerKeepsWhatTheUpperRemoved) {
  upper().file("f", "upper");
  middle().file("f", "middle");
  mount(all_writable());
  ASSERT_EQ(tried(::unlink(at("f").c_str())), "ok");
  EXPECT_EQ(names_in(root()), Names{});
  EXPECT_TRUE(upper().has_whiteout("f"));
  EXPECT_EQ(middle().text("f"), "middle");
}

TEST_P(AufsBranches, AFileIsRenamedAndLinkedInItsBranch) {
  middle().file("a", "text");
  middle().file("c", "text");
  mount(two_writable());
  ASSERT_EQ(tried_rename(at("a"), at("b")), "ok");
  ASSERT_EQ(tried(::link(at("c").c_str(), at("d").c_str())), "ok");
  EXPECT_EQ(middle().tree(), (Names{"b", "c", "d"}));
  EXPECT_EQ(upper().tree(), Names{});
  EXPECT_EQ(status_of(at("c")).st_ino, status_of(at("d")).st_ino);
}

TEST_P(AufsBranches, ADirectoryOfOneWritableBranchCanBeRenamed) {
  middle().file("a/child", "text");
  mount(two_writable());
  ASSERT_EQ(tried_rename(at("a"), at("b")), "ok");
  EXPECT_EQ(text_of(at("b/child")), "text");
  EXPECT_EQ(places_of("b/child"), "m");
  EXPECT_EQ(names_in(root()), Names{"b"});
}

TEST_P(AufsBranches, ADirectoryOfTwoBranchesCannot) {
  upper().dir("a");
  middle().file("a/child", "text");
  mount(all_writable());
  EXPECT_EQ(tried_rename(at("a"), at("b")), "EXDEV");
  EXPECT_EQ(names_in(at("a")), Names{"child"});
}

TEST_P(AufsBranches, ANewNameGoesWhereItsParentIs) {
  middle().dir("middle");
  base().dir("base");
  upper().dir("both");
  middle().dir("both");
  mount(two_writable());
  for (const char* dir : {"", "middle", "base", "both"}) {
    ASSERT_EQ(tried_write(at(std::string(dir) + "/file"), ""), "ok");
    ASSERT_EQ(tried(::mkdir(at(std::string(dir) + "/dir").c_str(), 0755)), "ok");
  }
  for (const char* name : {"/file", "/dir"}) {
    EXPECT_EQ(places_of(name), "u");
    EXPECT_EQ(places_of(std::string("middle") + name), "m");
    EXPECT_EQ(places_of(std::string("both") + name), "u");
  }
  // The nearest writable branch above the only one that has it.
  EXPECT_EQ(places_of("base/file"), "m");
}

TEST_P(AufsBranches, ANewNameTakesThePlaceOfAWhiteoutWhereThatIs) {
  middle().whiteout("f");
  middle().whiteout("d");
  base().file("f", "hidden");
  base().file("d/hidden", "hidden");
  mount(two_writable());
  ASSERT_EQ(tried_write(at("f"), "new"), "ok");
  ASSERT_EQ(tried(::mkdir(at("d").c_str(), 0755)), "ok");
  EXPECT_EQ(text_of(at("f")), "new");
  EXPECT_EQ(names_in(at("d")), Names{});
  remount();
  EXPECT_EQ(text_of(at("f")), "new");
  EXPECT_EQ(names_in(at("d")), Names{});
}

TEST_P(AufsBranches, TheCopyUpPolicyChoosesAmongWritableBranches) {
  struct Wanted {
    CopyUpRule rule;
    const char* in_root;
    const char* in_middle;
    const char* in_base;
  };
  base().file("f", "text");
  middle().dir("middle");
  base().file("middle/f", "text");
  base().file("base/f", "text");
  for (const Wanted& wanted : {Wanted{CopyUpRule::TopDownParent, "ub", "mb", "mb"},
                               Wanted{CopyUpRule::BottomUpParent, "mb", "mb", "mb"},
                               Wanted{CopyUpRule::BottomUp, "mb", "mb", "mb"}}) {
    mount(two_writable({.copy_up = wanted.rule}));
    for (const char* name : {"f", "middle/f", "base/f"})
      ASSERT_EQ(tried(::chmod(at(name).c_str(), 0600)), "ok");
    EXPECT_EQ(places_of("f"), wanted.in_root);
    EXPECT_EQ(places_of("middle/f"), wanted.in_middle);
    EXPECT_EQ(places_of("base/f"), wanted.in_base);
    unmount();
    for (const BranchDir* branch : {&upper(), &middle()}) {
      for (const std::string name : {"f", "middle/f", "base/f"})
        ::unlink(branch->path(name).c_str());
      ::rmdir(branch->path("base").c_str());
    }
  }
  mount(two_writable());
}

TEST_P(AufsBranches, BottomUpLooksPastTheParentOnTop) {
  const BranchDir& lowest = add_lower();
  upper().dir("d");
  lowest.file("d/f", "text");
  const std::vector<BranchSetup> branches = {kWritable, kWritable, kWritable};
  mount({.aufs = {.copy_up = CopyUpRule::BottomUp}, .branches = branches});
  ASSERT_EQ(tried(::chmod(at("d/f").c_str(), 0600)), "ok");
  EXPECT_EQ(places_of("d/f"), "b");
  unmount();
  ASSERT_EQ(::unlink(base().path("d/f").c_str()), 0);
  ASSERT_EQ(::rmdir(base().path("d").c_str()), 0);
  mount({.aufs = {.copy_up = CopyUpRule::BottomUpParent}, .branches = branches});
  ASSERT_EQ(tried(::chmod(at("d/f").c_str(), 0600)), "ok");
  EXPECT_EQ(places_of("d/f"), "u");
}

TEST_P(AufsBranches, NothingIsWrittenBelowWhatHidesIt) {
  upper().file("opaque/x", "");
  upper().opaque("opaque");
  middle().dir("opaque");
  mount({.aufs = {.create = {.rule = CreateRule::RoundRobin}},
         .branches = {kWritable, kWritable, kWritable}});
  for (int i = 0; i < 6; ++i)
    ASSERT_EQ(tried_write(at(fmt::format("opaque/{}", i)), "x"), "ok");
  EXPECT_EQ(names_in(at("opaque")).size(), 7U);
  EXPECT_EQ(names_in(middle().path("opaque")), Names{});
}

TEST_P(AufsBranches, AReadOnlyBranchOnTopIsPassedOver) {
  upper().dir("d");
  middle().dir("d");
  mount({.branches = {kReadOnlyWithWhiteouts, kWritable, kReadOnlyWithWhiteouts}});
  EXPECT_EQ(tried_write(at("d/new"), "x"), "ok");
  EXPECT_EQ(places_of("d/new"), "m");
  EXPECT_EQ(text_of(at("d/new")), "x");
}

TEST_P(AufsBranches, WhatIsOnAReadOnlyBranchAboveAllWritableOnesCannotBeChanged) {
  upper().file("f", "text");
  mount({.branches = {kReadOnlyWithWhiteouts, kWritable, kReadOnlyWithWhiteouts}});
  EXPECT_EQ(tried_open(at("f"), O_WRONLY), "EROFS");
  EXPECT_EQ(tried(::chmod(at("f").c_str(), 0600)), "EROFS");
  EXPECT_EQ(tried(::unlink(at("f").c_str())), "EROFS");
  EXPECT_EQ(tried_rename(at("f"), at("g")), "EROFS");
  EXPECT_EQ(text_of(at("f")), "text");
}

INSTANTIATE_TEST_SUITE_P(On, AufsBranches, ::testing::ValuesIn(aufs_cases()), case_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(AufsBranches);

/// Policies that look at free space: each branch has a file system of its own.
class AufsPolicies : public AufsTest {
 protected:
  void give_space(const BranchDir& branch, unsigned megabytes) {
    const std::string options = fmt::format("size={}m,mode=0755", megabytes);
    ASSERT_EQ(::mount("tmpfs", branch.path().c_str(), "tmpfs", 0, options.c_str()), 0);
  }
  void mount_with(CreatePolicy policy) { mount(all_writable({.create = policy})); }
  /// Makes files; how many went where.
  std::map<std::string, int> make(int count, const std::string& dir = "") {
    std::map<std::string, int> places;
    for (int i = 0; i < count; ++i) {
      const std::string name = fmt::format("{}file-{}", dir, i);
      EXPECT_EQ(tried_write(at(name), "x"), "ok");
      ++places[places_of(name)];
    }
    return places;
  }
  using Places = std::map<std::string, int>;
  static constexpr std::uint64_t kMegabyte = 1 << 20;
};

TEST_P(AufsPolicies, RoundRobinTakesTurns) {
  mount_with({.rule = CreateRule::RoundRobin});
  EXPECT_EQ(make(12), (Places{{"u", 4}, {"m", 4}, {"b", 4}}));
}

TEST_P(AufsPolicies, ADirectoryTakesNoTurn) {
  mount_with({.rule = CreateRule::RoundRobin});
  std::set<std::string> places;
  for (int i = 0; i < 6; ++i) {
    const std::string name = fmt::format("dir-{}", i);
    ASSERT_EQ(tried(::mkdir(at(name).c_str(), 0755)), "ok");
    places.insert(places_of(name));
  }
  EXPECT_EQ(places.size(), 1U);
}

TEST_P(AufsPolicies, RoundRobinReachesDirectoriesThatABranchLacks) {
  base().dir("d");
  mount_with({.rule = CreateRule::RoundRobin});
  EXPECT_EQ(make(6, "d/"), (Places{{"u", 2}, {"m", 2}, {"b", 2}}));
  EXPECT_EQ(names_in(at("d")).size(), 6U);
}

TEST_P(AufsPolicies, RoundRobinReachesBranchesBelowTheParent) {
  upper().dir("d");
  mount_with({.rule = CreateRule::RoundRobin});
  EXPECT_EQ(make(6, "d/"), (Places{{"u", 2}, {"m", 2}, {"b", 2}}));
  EXPECT_EQ(names_in(at("d")).size(), 6U);
}

TEST_P(AufsPolicies, ANewNameNeverGoesBelowItsWhiteout) {
  upper().whiteout("x");
  base().file("x", "hidden");
  mount_with({.rule = CreateRule::MostFree});
  EXPECT_EQ(tried_write(at("x"), "new"), "ok");
  EXPECT_EQ(places_of("x"), "ub");
  EXPECT_EQ(text_of(at("x")), "new");
}

TEST_P(AufsPolicies, MostFreeTakesTheBranchWithMostSpace) {
  give_space(upper(), 8);
  give_space(middle(), 64);
  give_space(base(), 16);
  mount_with({.rule = CreateRule::MostFree});
  EXPECT_EQ(make(3), (Places{{"m", 3}}));
}

TEST_P(AufsPolicies, OfEqualSpaceTheLowerBranchIsTaken) {
  mount_with({.rule = CreateRule::MostFree});
  EXPECT_EQ(make(2), (Places{{"b", 2}}));
}

TEST_P(AufsPolicies, AMeasuredSpaceCountsForItsTime) {
  give_space(upper(), 16);
  give_space(middle(), 12);
  give_space(base(), 4);
  mount_with({.rule = CreateRule::MostFree, .refresh_seconds = 0});
  ASSERT_EQ(tried_write(at("large"), std::string(8 * kMegabyte, 'x')), "ok");
  EXPECT_EQ(places_of("large"), "u");
  EXPECT_EQ(make(2), (Places{{"m", 2}}));
}

TEST_P(AufsPolicies, TopDownMostFreeTakesTheFirstAboveTheMark) {
  give_space(upper(), 4);
  give_space(middle(), 16);
  give_space(base(), 64);
  mount_with({.rule = CreateRule::TopDownMostFree, .low_water_bytes = 8 * kMegabyte});
  EXPECT_EQ(make(2), (Places{{"m", 2}}));
  unmount();
  mount_with({.rule = CreateRule::TopDownMostFree, .low_water_bytes = 100 * kMegabyte});
  ASSERT_EQ(tried_write(at("new"), "x"), "ok");
  EXPECT_EQ(places_of("new"), "b");
}

TEST_P(AufsPolicies, MostFreeRoundRobinTakesTurnsBelowTheMark) {
  give_space(upper(), 8);
  give_space(middle(), 16);
  give_space(base(), 4);
  mount_with({.rule = CreateRule::MostFreeRoundRobin, .low_water_bytes = kMegabyte});
  EXPECT_EQ(make(3), (Places{{"m", 3}}));
  unmount();
  mount_with({.rule = CreateRule::MostFreeRoundRobin, .low_water_bytes = 100 * kMegabyte});
  EXPECT_EQ(make(6, "./more-"), (Places{{"u", 2}, {"m", 2}, {"b", 2}}));
}

TEST_P(AufsPolicies, ParentMostFreeLooksOnlyAtBranchesWithTheParent) {
  give_space(upper(), 8);
  give_space(middle(), 4);
  give_space(base(), 64);
  upper().dir("d");
  middle().dir("d");
  mount_with({.rule = CreateRule::ParentMostFree});
  EXPECT_EQ(make(2, "d/"), (Places{{"u", 2}}));
  EXPECT_EQ(make(2), (Places{{"b", 2}}));
}

TEST_P(AufsPolicies, ParentMostFreeRoundRobinLeavesTheParentBelowTheMark) {
  give_space(upper(), 8);
  give_space(middle(), 4);
  give_space(base(), 64);
  upper().dir("d");
  mount_with({.rule = CreateRule::ParentMostFreeRoundRobin, .low_water_bytes = kMegabyte});
  EXPECT_EQ(make(2, "d/"), (Places{{"u", 2}}));
  unmount();
  mount_with({.rule = CreateRule::ParentMostFreeRoundRobin, .low_water_bytes = 16 * kMegabyte});
  ASSERT_EQ(tried_write(at("d/new"), "x"), "ok");
  EXPECT_EQ(places_of("d/new"), "b");
}

INSTANTIATE_TEST_SUITE_P(On, AufsPolicies, ::testing::ValuesIn(aufs_cases()), case_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(AufsPolicies);

}  // namespace
}  // namespace layerkit
