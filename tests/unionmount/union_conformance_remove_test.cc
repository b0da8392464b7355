// Taking names away and putting new ones in their place.

#include <sys/sysmacros.h>

#include "union_conformance.h"

namespace layerkit {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the suite's own words

class UnionRemove : public UnionTest {};

TEST_P(UnionRemove, WhatOnlyTheUpperHasLeavesNothing) {
  upper().file("old", "");
  upper().dir("dir");
  mount();
  EXPECT_EQ(tried_write(at("new"), "x"), "ok");
  EXPECT_EQ(tried(::unlink(at("old").c_str())), "ok");
  EXPECT_EQ(tried(::unlink(at("new").c_str())), "ok");
  EXPECT_EQ(tried(::rmdir(at("dir").c_str())), "ok");
  EXPECT_EQ(names_in(root()), Names{});
  for (const char* name : {"old", "new", "dir"})
    EXPECT_FALSE(upper().has(name) || upper().has_whiteout(name)) << name;
}

TEST_P(UnionRemove, AWhiteoutHidesWhatALowerHas) {
  base().file("file", "");
  base().dir("dir");
  base().symlink("link", "file");
  base().node("fifo", S_IFIFO | 0600);
  base().file("deep/er/file", "");
  mount();
  EXPECT_EQ(tried(::unlink(at("file").c_str())), "ok");
  EXPECT_EQ(tried(::rmdir(at("dir").c_str())), "ok");
  EXPECT_EQ(tried(::unlink(at("link").c_str())), "ok");
  EXPECT_EQ(tried(::unlink(at("fifo").c_str())), "ok");
  EXPECT_EQ(tried(::unlink(at("deep/er/file").c_str())), "ok");
  EXPECT_EQ(names_in(root()), Names{"deep"});
  EXPECT_EQ(names_in(at("deep/er")), Names{});
  for (const char* name : {"file", "dir", "link", "fifo", "deep/er/file"}) {
    EXPECT_TRUE(upper().has_whiteout(name)) << name;
    EXPECT_FALSE(exists(at(name))) << name;
  }
}

TEST_P(UnionRemove, AFileOfUpperAndLowerIsGoneForGood) {
  base().file("x", "base");
  upper().file("x", "upper");
  base().file("y", "base");
  mount();
  EXPECT_EQ(tried_write(at("y"), "copied up"), "ok");
  for (const char* name : {"x", "y"}) {
    EXPECT_EQ(tried(::unlink(at(name).c_str())), "ok");
    EXPECT_FALSE(exists(at(name)));
    EXPECT_TRUE(upper().has_whiteout(name));
  }
}

TEST_P(UnionRemove, WhatALowerWhiteoutHidesAlreadyNeedsNoSecond) {
  base().file("x", "base");
  middle().whiteout("x");
  mount();
  EXPECT_EQ(tried_write(at("x"), "new"), "ok");
  EXPECT_EQ(text_of(at("x")), "new");
  EXPECT_EQ(tried(::unlink(at("x").c_str())), "ok");
  EXPECT_FALSE(exists(at("x")));
  EXPECT_FALSE(upper().has_whiteout("x"));
}

TEST_P(UnionRemove, ANewFileTakesThePlaceOfAWhiteout) {
  base().file("x", "base");
  mount();
  EXPECT_EQ(tried(::unlink(at("x").c_str())), "ok");
  EXPECT_EQ(tried_open(at("x"), O_WRONLY), "ENOENT");
  EXPECT_EQ(tried_open(at("x"), O_WRONLY | O_CREAT | O_EXCL), "ok");
  EXPECT_EQ(text_of(at("x")), "");
  EXPECT_FALSE(upper().has_whiteout("x"));
  EXPECT_TRUE(upper().has("x"));
  EXPECT_EQ(names_in(root()), Names{"x"});
}

TEST_P(UnionRemove, EveryKindTakesThePlaceOfAWhiteout) {
  const Names names = {"dir", "symlink", "fifo", "device", "link"};
  for (const std::string& name : names)
    base().file(name, "base");
  base().file("source", "source");
  mount();
  for (const std::string& name : names)
    ASSERT_EQ(tried(::unlink(at(name).c_str())), "ok");
  EXPECT_EQ(tried(::mkdir(at("dir").c_str(), 0700)), "ok");
  EXPECT_EQ(tried(::symlink("source", at("symlink").c_str())), "ok");
  EXPECT_EQ(tried(::mkfifo(at("fifo").c_str(), 0600)), "ok");
  EXPECT_EQ(tried(::mknod(at("device").c_str(), S_IFCHR | 0600, makedev(1, 3))), "ok");
  EXPECT_EQ(tried(::link(at("source").c_str(), at("link").c_str())), "ok");
  EXPECT_EQ(mode_of(at("dir")), 0700U);
  EXPECT_EQ(read_link_at(AT_FDCWD, at("symlink")), "source");
  EXPECT_EQ(status_of(at("fifo")).st_mode, S_IFIFO | 0600U);
  EXPECT_EQ(status_of(at("device")).st_rdev, makedev(1, 3));
  EXPECT_EQ(text_of(at("link")), "source");
  EXPECT_EQ(names_in(root()), (Names{"device", "dir", "fifo", "link", "source", "symlink"}));
}

TEST_P(UnionRemove, ANewDirectoryInPlaceOfAnOldOneIsEmpty) {
  base().file("d/a", "base");
  base().file("d/sub/b", "base");
  mount();
  EXPECT_EQ(tried(::unlink(at("d/a").c_str())), "ok");
  EXPECT_EQ(tried(::unlink(at("d/sub/b").c_str())), "ok");
  EXPECT_EQ(tried(::rmdir(at("d/sub").c_str())), "ok");
  EXPECT_EQ(tried(::rmdir(at("d").c_str())), "ok");
  EXPECT_EQ(tried(::mkdir(at("d").c_str(), 0755)), "ok");
  EXPECT_EQ(names_in(at("d")), Names{});
  EXPECT_FALSE(exists(at("d/a")));
  EXPECT_TRUE(upper().is_opaque("d"));
  EXPECT_EQ(tried(::mkdir(at("d/sub").c_str(), 0755)), "ok");
  EXPECT_EQ(names_in(at("d/sub")), Names{});
  remount();
  EXPECT_EQ(names_in(at("d")), Names{"sub"});
}

TEST_P(UnionRemove, ANewDirectoryWhereThereWasNothingIsNotOpaque) {
  base().dir("parent");
  mount();
  EXPECT_EQ(tried(::mkdir(at("parent/d").c_str(), 0755)), "ok");
  EXPECT_EQ(tried(::mkdir(at("e").c_str(), 0755)), "ok");
  EXPECT_FALSE(upper().is_opaque("parent"));
  // Overlayfs may mark a directory for which nothing lies below; AUFS does not.
  if (backend().upper_whiteouts == WhiteoutFormat::Aufs) {
    EXPECT_FALSE(upper().is_opaque("parent/d"));
    EXPECT_FALSE(upper().is_opaque("e"));
  }
}

TEST_P(UnionRemove, ADirectoryMadeInPlaceOfAFileAndBack) {
  base().file("x", "base");
  base().file("y/child", "base");
  mount();
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(tried(::unlink(at("x").c_str())), "ok");
    EXPECT_EQ(tried(::mkdir(at("x").c_str(), 0755)), "ok");
    EXPECT_EQ(tried_write(at("x/inside"), "1"), "ok");
    EXPECT_EQ(names_in(at("x")), Names{"inside"});
    EXPECT_EQ(tried(::unlink(at("x/inside").c_str())), "ok");
    EXPECT_EQ(tried(::rmdir(at("x").c_str())), "ok");
    EXPECT_EQ(tried_write(at("x"), "file again"), "ok");
  }
  remove_tree_at(AT_FDCWD, at("y"));
  EXPECT_EQ(tried_write(at("y"), "file"), "ok");
  EXPECT_EQ(text_of(at("y")), "file");
  EXPECT_EQ(tried_open(at("y/child"), O_RDONLY), "ENOTDIR");
}

TEST_P(UnionRemove, AMergedDirectoryThatShowsANameIsNotEmpty) {
  base().file("d/base", "");
  upper().dir("d");
  base().dir("lower/child");
  mount();
  EXPECT_EQ(tried(::rmdir(at("d").c_str())), "ENOTEMPTY");
  EXPECT_EQ(tried(::rmdir(at("lower").c_str())), "ENOTEMPTY");
  EXPECT_EQ(names_in(at("d")), Names{"base"});
}

TEST_P(UnionRemove, WhiteoutsDoNotFillADirectory) {
  for (int i = 0; i < 20; ++i)
    base().file(fmt::format("d/{}", i), "");
  mount();
  for (int i = 0; i < 20; ++i)
    ASSERT_EQ(tried(::unlink(at(fmt::format("d/{}", i)).c_str())), "ok");
  EXPECT_EQ(tried(::rmdir(at("d").c_str())), "ok");
  EXPECT_FALSE(exists(at("d")));
  EXPECT_TRUE(upper().has_whiteout("d"));
  EXPECT_EQ(names_in(root()), Names{});
}

TEST_P(UnionRemove, LeftoverWhiteoutsDoNotFillADirectory) {
  base().whiteout("lower/of-nothing");
  upper().dir("merged");
  upper().whiteout("merged/x");
  middle().file("merged/x", "");
  base().file("merged/y", "");
  middle().whiteout("merged/y");
  mount();
  for (const char* name : {"lower", "merged"})
    EXPECT_EQ(tried(::rmdir(at(name).c_str())), "ok") << name;
  EXPECT_EQ(names_in(root()), Names{});
}

TEST_P(UnionRemove, AWhiteoutOfNothingInTheUpperGoesWithItsDirectory) {
  upper().whiteout("pure/of-nothing");
  mount();
  if (traits().ignores_stray_whiteouts) {
    EXPECT_EQ(tried(::rmdir(at("pure").c_str())), "ok");
    EXPECT_EQ(upper().tree(), Names{});
  } else {
    EXPECT_EQ(tried(::rmdir(at("pure").c_str())), "ENOTEMPTY");
  }
}

TEST_P(UnionRemove, AnEmptyOpaqueDirectoryCanGo) {
  base().file("d/x", "");
  upper().opaque("d");
  mount();
  EXPECT_EQ(tried(::rmdir(at("d").c_str())), "ok");
  EXPECT_FALSE(exists(at("d")));
  EXPECT_TRUE(upper().has_whiteout("d"));
}

TEST_P(UnionRemove, ErrorsAreThoseOfAnyFileSystem) {
  base().file("file", "");
  base().file("dir/child", "");
  base().symlink("link", "dir");
  base().file("hidden", "");
  middle().whiteout("hidden");
  mount();
  EXPECT_EQ(tried(::unlink(at("dir").c_str())), "EISDIR");
  EXPECT_EQ(tried(::rmdir(at("file").c_str())), "ENOTDIR");
  EXPECT_EQ(tried(::rmdir(at("link").c_str())), "ENOTDIR");
  EXPECT_EQ(tried(::unlink(at("absent").c_str())), "ENOENT");
  EXPECT_EQ(tried(::rmdir(at("absent").c_str())), "ENOENT");
  EXPECT_EQ(tried(::unlink(at("hidden").c_str())), "ENOENT");
  EXPECT_EQ(tried(::rmdir(at("hidden").c_str())), "ENOENT");
  EXPECT_EQ(tried(::rmdir(at("dir/.").c_str())), "EINVAL");
  EXPECT_EQ(tried(::rmdir(at("dir/..").c_str())), "ENOTEMPTY");
  EXPECT_EQ(tried(::mkdir(at("dir").c_str(), 0755)), "EEXIST");
  EXPECT_EQ(tried(::mkdir(at("file").c_str(), 0755)), "EEXIST");
  EXPECT_EQ(tried(::mkdir(at("absent/d").c_str(), 0755)), "ENOENT");
  EXPECT_EQ(tried(::mkdir(at("file/d").c_str(), 0755)), "ENOTDIR");
  EXPECT_EQ(tried(::symlink("x", at("file").c_str())), "EEXIST");
  EXPECT_EQ(tried(::mkfifo(at("file").c_str(), 0644)), "EEXIST");
  EXPECT_EQ(tried_open(at("file"), O_WRONLY | O_CREAT | O_EXCL), "EEXIST");
  EXPECT_EQ(tried_open(at("link"), O_WRONLY | O_CREAT | O_EXCL), "EEXIST");
  EXPECT_EQ(upper().tree(), Names{}) << "a failed call changed the upper branch";
}

TEST_P(UnionRemove, AWholeTreeOfAllBranchesGoes) {
  for (int i = 0; i < 8; ++i) {
    base().file(fmt::format("t/{}/base/file", i), "b");
    base().file(fmt::format("t/{}/base/hidden", i), "b");
    middle().whiteout(fmt::format("t/{}/base/hidden", i));
    middle().file(fmt::format("t/{}/middle/file", i), "m");
    upper().file(fmt::format("t/{}/upper/file", i), "u");
  }
  mount();
  remove_tree_at(AT_FDCWD, at("t"));
  EXPECT_EQ(names_in(root()), Names{});
  EXPECT_TRUE(upper().has_whiteout("t"));
  remount();
  EXPECT_EQ(names_in(root()), Names{});
}

// A file, the directory it is in, its whiteout and a directory again, each in a branch of its own
// (moby issue 25731): removing the whole must not bring anything back.
TEST_P(UnionRemove, ADirectoryOverAWhiteoutOverAFileGoesForGood) {
  const BranchDir& fourth = add_lower();
  const BranchDir& lowest = add_lower();
  lowest.file("a/b/c", "hidden");
  fourth.dir("a/b");
  base().whiteout("a/b");
  middle().dir("a/b");
  mount();
  EXPECT_EQ(names_in(at("a/b")), Names{});
  EXPECT_EQ(tried(::rmdir(at("a/b").c_str())), "ok");
  EXPECT_FALSE(exists(at("a/b")));
  EXPECT_EQ(tried(::mkdir(at("a/b").c_str(), 0755)), "ok");
  EXPECT_EQ(names_in(at("a/b")), Names{});
  remove_tree_at(AT_FDCWD, at("a"));
  EXPECT_EQ(names_in(root()), Names{});
}

TEST_P(UnionRemove, MakingAndRemovingManyTimesEndsWhereItBegan) {
  base().file("f", "base");
  base().file("d/x", "base");
  mount();
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(tried(::unlink(at("f").c_str())), "ok");
    ASSERT_EQ(tried_write(at("f"), fmt::format("{}", i)), "ok");
    ASSERT_EQ(tried(::unlink(at("d/x").c_str())), "ok");
    ASSERT_EQ(tried(::rmdir(at("d").c_str())), "ok");
    ASSERT_EQ(tried(::mkdir(at("d").c_str(), 0755)), "ok");
    ASSERT_EQ(tried_write(at("d/x"), fmt::format("{}", i)), "ok");
  }
  EXPECT_EQ(text_of(at("f")), "49");
  EXPECT_EQ(text_of(at("d/x")), "49");
  EXPECT_EQ(names_in(root()), (Names{"d", "f"}));
}

TEST_P(UnionRemove, TheParentsTimesTellOfTheChange) {
  base().file("d/x", "");
  make_old(base().path("d"));
  mount();
  const long long before = mtime_of(at("d"));
  EXPECT_EQ(before, 1'000'000'001'123'456'789);
  EXPECT_EQ(tried(::unlink(at("d/x").c_str())), "ok");
  EXPECT_GT(mtime_of(at("d")), before);
}

TEST_P(UnionRemove, AParentThatWasCopiedUpForAWhiteoutKeepsItsAttributes) {
  base().file("d/e/x", "");
  base().dir("d/e", 01733);
  ASSERT_EQ(::chown(base().path("d/e").c_str(), 21, 43), 0);
  ASSERT_EQ(tried_set_xattr(base().path("d/e"), "user.key", "value"), "ok");
  base().dir("d", 0751);
  make_old(base().path("d"));
  mount();
  EXPECT_EQ(tried(::unlink(at("d/e/x").c_str())), "ok");
  const struct stat status = status_of(at("d/e"));
  EXPECT_EQ(status.st_mode, S_IFDIR | 01733U);
  EXPECT_EQ(status.st_uid, 21U);
  EXPECT_EQ(status.st_gid, 43U);
  EXPECT_EQ(xattr_of(at("d/e"), "user.key"), "value");
  EXPECT_EQ(mode_of(at("d")), 0751U);
  EXPECT_EQ(mtime_of(at("d")), 1'000'000'001'123'456'789);
}

INSTANTIATE_TEST_SUITE_P(On, UnionRemove, ::testing::ValuesIn(whiteout_cases()), case_name);

}  // namespace
}  // namespace layerkit
