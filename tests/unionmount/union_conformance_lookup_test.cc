// What is found under a name: precedence, types that differ between branches, whiteouts, opaque
// directories.

#include <sys/sysmacros.h>

#include "union_conformance.h"

namespace layerkit {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the suite's own words

class UnionLookup : public UnionTest {};

TEST_P(UnionLookup, TheTopmostFileIsShown) {
  base().file("all", "base");
  middle().file("all", "middle");
  upper().file("all", "upper");
  base().file("two", "base");
  middle().file("two", "middle");
  base().file("one", "base");
  mount();
  EXPECT_EQ(text_of(at("all")), "upper");
  EXPECT_EQ(text_of(at("two")), "middle");
  EXPECT_EQ(text_of(at("one")), "base");
  EXPECT_EQ(names_in(root()), (Names{"all", "one", "two"}));
}

TEST_P(UnionLookup, DirectoriesOfAllBranchesAreMerged) {
  base().file("d/base", "b");
  middle().file("d/middle", "m");
  upper().file("d/upper", "u");
  base().file("d/deep/er/base", "b");
  upper().file("d/deep/er/upper", "u");
  mount();
  EXPECT_EQ(names_in(at("d")), (Names{"base", "deep", "middle", "upper"}));
  EXPECT_EQ(names_in(at("d/deep/er")), (Names{"base", "upper"}));
  EXPECT_EQ(text_of(at("d/deep/er/base")), "b");
}

TEST_P(UnionLookup, AMergedDirectoryHasTheAttributesOfTheTopmost) {
  base().dir("d", 0777);
  middle().dir("d", 0750);
  ASSERT_EQ(::chown(middle().path("d").c_str(), 12, 34), 0);
  ASSERT_EQ(tried_set_xattr(middle().path("d"), "user.from", "middle"), "ok");
  ASSERT_EQ(tried_set_xattr(base().path("d"), "user.from", "base"), "ok");
  ASSERT_EQ(tried_set_xattr(base().path("d"), "user.only", "base"), "ok");
  make_old(middle().path("d"));
  mount();
  const struct stat status = status_of(at("d"));
  EXPECT_EQ(status.st_mode, S_IFDIR | 0750U);
  EXPECT_EQ(status.st_uid, 12U);
  EXPECT_EQ(status.st_gid, 34U);
  EXPECT_EQ(time_in_ns(status.st_mtim), 1'000'000'001'123'456'789);
  EXPECT_EQ(xattr_of(at("d"), "user.from"), "middle");
  EXPECT_EQ(xattr_of(at("d"), "user.only"), "ENODATA");
}

TEST_P(UnionLookup, TheRootHasTheAttributesOfTheTopmostBranch) {
  ASSERT_EQ(::chmod(upper().path().c_str(), 0711), 0);
  ASSERT_EQ(::chown(upper().path().c_str(), 5, 6), 0);
  ASSERT_EQ(::chmod(base().path().c_str(), 0777), 0);
  mount();
  const struct stat status = status_of(root());
  EXPECT_EQ(status.st_mode, S_IFDIR | 0711U);
  EXPECT_EQ(status.st_uid, 5U);
  EXPECT_EQ(status.st_gid, 6U);
}

TEST_P(UnionLookup, AFileHidesADirectoryBelow) {
  base().file("x/child", "hidden");
  middle().file("x", "file");
  mount();
  EXPECT_EQ(text_of(at("x")), "file");
  EXPECT_EQ(tried_open(at("x/child"), O_RDONLY), "ENOTDIR");
}

TEST_P(UnionLookup, ADirectoryHidesAFileBelow) {
  base().file("x", "hidden");
  middle().file("x/child", "shown");
  mount();
  EXPECT_EQ(names_in(at("x")), Names{"child"});
  EXPECT_EQ(text_of(at("x/child")), "shown");
}

TEST_P(UnionLookup, ASymlinkHidesWhatLiesBelowAndIsNotMergedThrough) {
  base().file("x/child", "hidden");
  base().file("target/other", "shown");
  upper().symlink("x", "target");
  mount();
  EXPECT_EQ(read_link_at(AT_FDCWD, at("x")), "target");
  EXPECT_EQ(tried_open(at("x/child"), O_RDONLY), "ENOENT");
  EXPECT_EQ(text_of(open_file(at("x/other"), O_RDONLY).get()), "shown");
}

TEST_P(UnionLookup, AFileBetweenTwoDirectoriesIsShownByNeither) {
  base().file("x/base", "b");
  middle().file("x", "in between");
  upper().file("x/upper", "u");
  mount();
  const Names merged = {"base", "upper"};
  EXPECT_EQ(names_in(at("x")), traits().passes_over_other_types ? merged : Names{"upper"});
}

TEST_P(UnionLookup, SpecialFilesAreFoundInLowerBranches) {
  base().node("fifo", S_IFIFO | 0640);
  base().node("socket", S_IFSOCK | 0600);
  base().node("char", S_IFCHR | 0666, makedev(1, 3));
  base().node("block", S_IFBLK | 0660, makedev(7, 99));
  mount();
  EXPECT_EQ(status_of(at("fifo")).st_mode, S_IFIFO | 0640U);
  EXPECT_EQ(status_of(at("socket")).st_mode, S_IFSOCK | 0600U);
  EXPECT_EQ(status_of(at("char")).st_mode, S_IFCHR | 0666U);
  EXPECT_EQ(status_of(at("char")).st_rdev, makedev(1, 3));
  EXPECT_EQ(status_of(at("block")).st_rdev, makedev(7, 99));
}

TEST_P(UnionLookup, AWhiteoutHidesWhatLiesBelowIt) {
  base().file("file", "hidden");
  base().file("dir/child", "hidden");
  base().symlink("link", "file");
  for (const char* name : {"file", "dir", "link"})
    middle().whiteout(name);
  mount();
  EXPECT_EQ(names_in(root()), Names{});
  for (const char* name : {"file", "dir", "link"})
    EXPECT_EQ(tried_open(at(name), O_RDONLY), "ENOENT") << name;
  EXPECT_EQ(tried_open(at("dir/child"), O_RDONLY), "ENOENT");
}

TEST_P(UnionLookup, AWhiteoutInTheUpperHidesBothLowers) {
  base().file("x", "hidden");
  middle().file("x", "hidden");
  upper().whiteout("x");
  mount();
  EXPECT_EQ(names_in(root()), Names{});
  EXPECT_EQ(tried_open(at("x"), O_RDONLY), "ENOENT");
}

TEST_P(UnionLookup, AWhiteoutHidesNothingAboveIt) {
  base().file("file", "hidden");
  base().file("dir/hidden", "hidden");
  for (const char* name : {"file", "dir"})
    middle().whiteout(name);
  upper().file("file", "shown");
  upper().file("dir/shown", "shown");
  mount();
  EXPECT_EQ(text_of(at("file")), "shown");
  EXPECT_EQ(names_in(at("dir")), Names{"shown"});
}

TEST_P(UnionLookup, AWhiteoutOfNothingIsInvisible) {
  middle().whiteout("x");
  base().whiteout("y");
  upper().whiteout("z");
  middle().whiteout("d/x");
  mount();
  EXPECT_EQ(names_in(root()), Names{"d"});
  EXPECT_EQ(names_in(at("d")), traits().ignores_stray_whiteouts ? Names{} : Names{"x"});
  for (const char* name : {"x", "y", "z", "d/x"})
    EXPECT_EQ(tried_open(at(name), O_RDONLY), "ENOENT") << name;
}

TEST_P(UnionLookup, AWhiteoutInsideAMergedDirectoryHidesOneName) {
  base().file("d/gone", "hidden");
  base().file("d/kept", "shown");
  middle().whiteout("d/gone");
  mount();
  EXPECT_EQ(names_in(at("d")), Names{"kept"});
  EXPECT_EQ(tried_open(at("d/gone"), O_RDONLY), "ENOENT");
}

TEST_P(UnionLookup, AnOpaqueDirectoryHidesTheContentsOfThoseBelow) {
  base().file("d/base", "hidden");
  base().file("d/sub/base", "hidden");
  middle().file("d/middle", "shown");
  middle().file("d/sub/middle", "shown");
  middle().opaque("d");
  upper().file("d/upper", "shown");
  mount();
  EXPECT_EQ(names_in(at("d")), (Names{"middle", "sub", "upper"}));
  EXPECT_EQ(names_in(at("d/sub")), Names{"middle"});
  EXPECT_EQ(tried_open(at("d/base"), O_RDONLY), "ENOENT");
}

TEST_P(UnionLookup, AnOpaqueDirectoryInTheUpperHidesAllLowers) {
  base().file("d/base", "hidden");
  middle().file("d/middle", "hidden");
  upper().file("d/upper", "shown");
  upper().opaque("d");
  mount();
  EXPECT_EQ(names_in(at("d")), Names{"upper"});
  EXPECT_EQ(tried_open(at("d/middle"), O_RDONLY), "ENOENT");
}

TEST_P(UnionLookup, AnOpaqueDirectoryInTheLowestBranchHidesNothing) {
  base().file("d/base", "shown");
  base().opaque("d");
  middle().file("d/middle", "shown");
  mount();
  EXPECT_EQ(names_in(at("d")), (Names{"base", "middle"}));
}

TEST_P(UnionLookup, WhatAnOpaqueParentHidesStaysHiddenBelowATransparentChild) {
  base().file("d/e/f/base", "hidden");
  middle().file("d/e/f/middle", "shown");
  middle().opaque("d");
  upper().file("d/e/f/upper", "shown");
  mount();
  EXPECT_EQ(names_in(at("d/e/f")), (Names{"middle", "upper"}));
}

TEST_P(UnionLookup, ADirectoryBelowAWhiteoutDoesNotComeBackFurtherUp) {
  base().file("d/old", "hidden");
  middle().whiteout("d");
  upper().dir("d");
  mount();
  EXPECT_EQ(names_in(at("d")), Names{});
  EXPECT_EQ(tried_open(at("d/old"), O_RDONLY), "ENOENT");
  EXPECT_EQ(tried_write(at("d/old"), "new"), "ok");
  EXPECT_EQ(text_of(at("d/old")), "new");
}

TEST_P(UnionLookup, AbsentNamesAreAbsent) {
  base().file("file", "");
  base().dir("dir");
  mount();
  EXPECT_EQ(tried_open(at("absent"), O_RDONLY), "ENOENT");
  EXPECT_EQ(tried_open(at("dir/absent"), O_RDONLY), "ENOENT");
  EXPECT_EQ(tried_open(at("absent/child"), O_RDONLY), "ENOENT");
  EXPECT_EQ(tried_open(at("file/child"), O_RDONLY), "ENOTDIR");
  EXPECT_EQ(tried(::access(at("absent").c_str(), F_OK)), "ENOENT");
}

TEST_P(UnionLookup, ANameThatWasAbsentIsFoundOnceItIsMade) {
  mount();
  EXPECT_EQ(tried(::access(at("x").c_str(), F_OK)), "ENOENT");
  EXPECT_EQ(tried_write(at("x"), "new"), "ok");
  EXPECT_EQ(tried(::access(at("x").c_str(), F_OK)), "ok");
  EXPECT_EQ(tried(::unlink(at("x").c_str())), "ok");
  EXPECT_EQ(tried(::access(at("x").c_str(), F_OK)), "ENOENT");
}

TEST_P(UnionLookup, NamesAreBytes) {
  const Names names = {"\\",  "a,b:c=d", "back\\slash", "new\nline", "sp ace", "\x01\x7f\xff\xfe",
                       "...", "-rf",     "wh.",         ".whx"};
  for (const std::string& name : names) {
    base().file("lower/" + name, name);
    upper().file("upper/" + name, name);
  }
  mount();
  for (const char* dir : {"lower/", "upper/"}) {
    for (const std::string& name : names) {
      EXPECT_EQ(text_of(at(dir + name)), name);
      EXPECT_EQ(tried_rename(at(dir + name), at(dir + name + "~")), "ok") << name;
      EXPECT_EQ(text_of(at(dir + name + "~")), name);
      EXPECT_EQ(tried(::unlink(at(dir + name + "~").c_str())), "ok") << name;
    }
    EXPECT_EQ(names_in(at(dir)), Names{});
  }
}

TEST_P(UnionLookup, NamesOfWhiteoutsAreReservedOrOrdinary) {
  mount();
  const std::string wanted = traits().reserves_whiteout_names ? "EPERM" : "ok";
  EXPECT_EQ(tried_write(at(".wh.x"), "text"), wanted);
  EXPECT_EQ(tried(::mkdir(at(".wh.d").c_str(), 0755)), wanted);
  EXPECT_EQ(tried(::symlink("x", at(".wh.s").c_str())), wanted);
  EXPECT_EQ(tried_write(at("y"), "text"), "ok");
  EXPECT_EQ(tried_rename(at("y"), at(".wh.y")), wanted);
  EXPECT_EQ(exists(at("y")), traits().reserves_whiteout_names);
}

TEST_P(UnionLookup, NamesOfWhiteoutsInAWritableBranchAreWhiteouts) {
  if (!traits().reserves_whiteout_names) GTEST_SKIP() << "ordinary to " << backend().name;
  if (backend().upper_whiteouts == WhiteoutFormat::Overlay)
    expect_own_view_only("they are ordinary to overlayfs");
  for (const char* name : {"file", "removed", "target", "dir/x", "renamed/x", "opaque/x"})
    base().file(name, "base");
  for (const char* name : {".wh.file", ".wh.removed", ".wh.target", ".wh.dir", ".wh.renamed",
                           ".wh.nothing", "opaque/.wh..wh..opq", "new/f"})
    upper().file(name, "");
  mount();
  EXPECT_EQ(names_in(root()), (Names{"new", "opaque"}));
  EXPECT_EQ(names_in(at("opaque")), Names{});
  EXPECT_EQ(tried_write(at("file"), "new", O_CREAT | O_EXCL), "ok");
  EXPECT_EQ(tried(::mkdir(at("dir").c_str(), 0755)), "ok");
  EXPECT_EQ(tried(::rmdir(at("opaque").c_str())), "ok");
  EXPECT_EQ(tried_rename(at("new/f"), at("target")), "ok");
  EXPECT_EQ(tried_rename(at("new"), at("renamed")), "ok");
  EXPECT_EQ(tried_write(at("removed"), "again"), "ok");
  EXPECT_EQ(tried(::unlink(at("removed").c_str())), "ok");
  remount();
  EXPECT_EQ(names_in(root()), (Names{"dir", "file", "renamed", "target"}));
  EXPECT_EQ(text_of(at("file")), "new");
  EXPECT_EQ(text_of(at("target")), "");
  EXPECT_EQ(names_in(at("dir")), Names{});
  EXPECT_EQ(names_in(at("renamed")), Names{});
}

TEST_P(UnionLookup, WhatLiesInAnotherPlaceIsRefusedAndNotMisread) {
  if (backend().lower_whiteouts != WhiteoutFormat::Overlay)
    GTEST_SKIP() << "redirects are overlayfs's";
  leave_out_final_check("nobody can look at them");
  base().file("moved/f", "f");
  base().file("wrong/f", "f");
  base().file("file", std::string(5000, 'f'));
  middle().dir("wrong");
  set_xattr_at(AT_FDCWD, middle().path("wrong"), "trusted.overlay.redirect", "moved");
  middle().file("file", "");
  ASSERT_EQ(::truncate(middle().path("file").c_str(), 5000), 0);
  set_xattr_at(AT_FDCWD, middle().path("file"), "trusted.overlay.metacopy", "");
  mount();
  EXPECT_EQ(tried(::access(at("wrong").c_str(), F_OK)), "EPERM");
  EXPECT_EQ(tried(::access(at("wrong/f").c_str(), F_OK)), "EPERM");
  EXPECT_EQ(tried_open(at("file"), O_RDONLY), "EPERM");
  EXPECT_EQ(text_of(at("moved/f")), "f");
}

TEST_P(UnionLookup, HundredBranchesAreOneTree) {
  constexpr int kMore = 97;
  base().file("everywhere", "base");
  for (int i = 0; i < kMore; ++i) {
    const BranchDir& branch = add_lower();
    branch.file(fmt::format("d/{}", i), fmt::format("{}", i));
    branch.file("everywhere", fmt::format("{}", i));
    branch.file("lowest", fmt::format("{}", i));
  }
  mount();
  EXPECT_EQ(names_in(at("d")).size(), static_cast<std::size_t>(kMore));
  EXPECT_EQ(text_of(at("d/96")), "96");
  EXPECT_EQ(text_of(at("everywhere")), "base");
  EXPECT_EQ(text_of(at("lowest")), "0");
  EXPECT_EQ(tried_write(at("d/96"), "changed"), "ok");
  EXPECT_EQ(text_of(at("d/96")), "changed");
}

INSTANTIATE_TEST_SUITE_P(On,
                         UnionLookup,
                         ::testing::ValuesIn(whiteout_cases({Medium::Memory, Medium::Mixed})),
                         case_name);

}  // namespace
}  // namespace layerkit
