// Renaming: files and what they replace, directories, the flags of renameat2.

#include <sys/sysmacros.h>

#include "run_command.h"
#include "union_conformance.h"

namespace layerkit {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the suite's own words

class UnionRename : public UnionTest {};

TEST_P(UnionRename, AFileOfTheUpperLeavesNothing) {
  upper().file("a", "text");
  mount();
  EXPECT_EQ(tried_rename(at("a"), at("b")), "ok");
  EXPECT_EQ(names_in(root()), Names{"b"});
  EXPECT_EQ(text_of(at("b")), "text");
  EXPECT_EQ(upper().tree(), Names{"b"});
}

TEST_P(UnionRename, AFileOfALowerLeavesAWhiteout) {
  base().file("a", "text", 0640);
  ASSERT_EQ(::chown(base().path("a").c_str(), 7, 8), 0);
  make_old(base().path("a"));
  mount();
  EXPECT_EQ(tried_rename(at("a"), at("b")), "ok");
  EXPECT_EQ(names_in(root()), Names{"b"});
  EXPECT_EQ(text_of(at("b")), "text");
  EXPECT_EQ(mode_of(at("b")), 0640U);
  EXPECT_EQ(status_of(at("b")).st_uid, 7U);
  EXPECT_EQ(mtime_of(at("b")), 1'000'000'001'123'456'789);
  EXPECT_TRUE(upper().has_whiteout("a"));
  EXPECT_FALSE(exists(at("a")));
}

TEST_P(UnionRename, EveryKindOfALowerCanBeRenamed) {
  base().symlink("symlink", "target");
  base().node("fifo", S_IFIFO | 0611);
  base().node("socket", S_IFSOCK | 0622);
  base().node("device", S_IFCHR | 0633, makedev(1, 3));
  const Names kinds = {"device", "fifo", "socket", "symlink"};
  mount();
  for (const std::string& kind : kinds) {
    EXPECT_EQ(tried_rename(at(kind), at("new-" + kind)), "ok") << kind;
    EXPECT_TRUE(upper().has_whiteout(kind)) << kind;
  }
  EXPECT_EQ(names_in(root()), (Names{"new-device", "new-fifo", "new-socket", "new-symlink"}));
  EXPECT_EQ(read_link_at(AT_FDCWD, at("new-symlink")), "target");
  EXPECT_EQ(status_of(at("new-fifo")).st_mode, S_IFIFO | 0611U);
  EXPECT_EQ(status_of(at("new-socket")).st_mode, S_IFSOCK | 0622U);
  EXPECT_EQ(status_of(at("new-device")).st_rdev, makedev(1, 3));
}

TEST_P(UnionRename, AnyFileReplacesAnyOther) {
  for (const char* from : {"u", "m", "b"}) {
    for (const char* to : {"u", "m", "b"}) {
      const std::string pair = std::string(from) + "-" + to;
      const auto branch = [&](const char* name) -> BranchDir& {
        return *name == 'u' ? upper() : *name == 'm' ? middle() : base();
      };
      branch(from).file(pair + "/source", "source");
      branch(to).file(pair + "/target", "target");
    }
  }
  mount();
  for (const std::string& pair : names_in(root())) {
    EXPECT_EQ(tried_rename(at(pair + "/source"), at(pair + "/target")), "ok") << pair;
    EXPECT_EQ(names_in(at(pair)), Names{"target"}) << pair;
    EXPECT_EQ(text_of(at(pair + "/target")), "source") << pair;
    EXPECT_EQ(upper().has_whiteout(pair + "/source"), pair[0] != 'u') << pair;
  }
}

TEST_P(UnionRename, AFileTakesThePlaceOfAWhiteout) {
  base().file("gone", "hidden");
  middle().file("hidden", "hidden");
  upper().whiteout("hidden");
  upper().file("a", "a");
  base().file("b", "b");
  mount();
  EXPECT_EQ(tried(::unlink(at("gone").c_str())), "ok");
  EXPECT_EQ(tried_rename(at("a"), at("gone")), "ok");
  EXPECT_EQ(tried_rename(at("b"), at("hidden")), "ok");
  EXPECT_EQ(names_in(root()), (Names{"gone", "hidden"}));
  EXPECT_EQ(text_of(at("gone")), "a");
  EXPECT_EQ(text_of(at("hidden")), "b");
}

TEST_P(UnionRename, ThereAndBackEndsWhereItBegan) {
  base().file("a", "text");
  mount();
  for (int i = 0; i < 10; ++i) {
    ASSERT_EQ(tried_rename(at("a"), at("b")), "ok");
    ASSERT_EQ(tried_rename(at("b"), at("a")), "ok");
  }
  EXPECT_EQ(names_in(root()), Names{"a"});
  EXPECT_EQ(text_of(at("a")), "text");
  EXPECT_FALSE(upper().has_whiteout("b"));
  EXPECT_EQ(tried(::unlink(at("a").c_str())), "ok");
  EXPECT_EQ(names_in(root()), Names{});
}

TEST_P(UnionRename, FilesMoveBetweenDirectoriesOfLowers) {
  base().file("from/a", "text");
  base().dir("from", 0711);
  middle().dir("to/deep", 0700);
  mount();
  EXPECT_EQ(tried_rename(at("from/a"), at("to/deep/b")), "ok");
  EXPECT_EQ(text_of(at("to/deep/b")), "text");
  EXPECT_EQ(names_in(at("from")), Names{});
  EXPECT_EQ(mode_of(at("from")), 0711U);
  EXPECT_EQ(mode_of(at("to/deep")), 0700U);
}

TEST_P(UnionRename, ToItselfAndToALinkOfItselfChangesNothing) {
  base().file("a", "text");
  upper().file("b", "text");
  upper().link("c", "b");
  mount();
  EXPECT_EQ(tried_rename(at("a"), at("a")), "ok");
  EXPECT_EQ(tried_rename(at("b"), at("c")), "ok");
  EXPECT_EQ(names_in(root()), (Names{"a", "b", "c"}));
}

TEST_P(UnionRename, WhoHasTheReplacedFileOpenReadsOn) {
  base().file("a", "new");
  base().file("b", "old");
  mount();
  const Fd old = open_file(at("b"), O_RDONLY);
  EXPECT_EQ(tried_rename(at("a"), at("b")), "ok");
  EXPECT_EQ(text_of(old.get()), "old");
  EXPECT_EQ(text_of(at("b")), "new");
}

TEST_P(UnionRename, WhoHasTheFileOpenWritesToItUnderItsNewName) {
  base().file("a", "text");
  mount();
  const Fd fd = open_file(at("a"), O_RDWR);
  EXPECT_EQ(tried_rename(at("a"), at("b")), "ok");
  EXPECT_EQ(::pwrite(fd.get(), "T", 1, 0), 1);
  EXPECT_EQ(text_of(at("b")), "Text");
}

TEST_P(UnionRename, NoReplaceRefusesWhatIsVisibleOnly) {
  base().file("lower", "lower");
  upper().file("upper", "upper");
  base().file("gone", "hidden");
  middle().whiteout("gone");
  base().file("a", "a");
  mount();
  EXPECT_EQ(tried_rename(at("a"), at("lower"), RENAME_NOREPLACE), "EEXIST");
  EXPECT_EQ(tried_rename(at("a"), at("upper"), RENAME_NOREPLACE), "EEXIST");
  EXPECT_EQ(tried_rename(at("a"), at("gone"), RENAME_NOREPLACE), "ok");
  EXPECT_EQ(tried_rename(at("gone"), at("new"), RENAME_NOREPLACE), "ok");
  EXPECT_EQ(names_in(root()), (Names{"lower", "new", "upper"}));
  EXPECT_EQ(text_of(at("lower")), "lower");
  EXPECT_EQ(text_of(at("new")), "a");
}

TEST_P(UnionRename, FilesOfAllBranchesCanBeExchanged) {
  upper().file("u", "u");
  middle().file("m", "m");
  base().file("b", "b");
  mount();
  EXPECT_EQ(tried_rename(at("u"), at("b"), RENAME_EXCHANGE), "ok");
  EXPECT_EQ(text_of(at("u")), "b");
  EXPECT_EQ(text_of(at("b")), "u");
  EXPECT_EQ(tried_rename(at("m"), at("b"), RENAME_EXCHANGE), "ok");
  EXPECT_EQ(text_of(at("m")), "u");
  EXPECT_EQ(text_of(at("b")), "m");
  EXPECT_EQ(tried_rename(at("m"), at("absent"), RENAME_EXCHANGE), "ENOENT");
  EXPECT_EQ(names_in(root()), (Names{"b", "m", "u"}));
}

TEST_P(UnionRename, AFileAndADirectoryCanBeExchanged) {
  base().file("file", "text");
  mount();
  ASSERT_EQ(tried(::mkdir(at("dir").c_str(), 0755)), "ok");
  ASSERT_EQ(tried_write(at("dir/child"), "child"), "ok");
  EXPECT_EQ(tried_rename(at("file"), at("dir"), RENAME_EXCHANGE), "ok");
  EXPECT_EQ(text_of(at("dir")), "text");
  EXPECT_EQ(names_in(at("file")), Names{"child"});
  EXPECT_EQ(tried_rename(at("file"), at("dir"), RENAME_EXCHANGE), "ok");
  EXPECT_EQ(names_in(at("dir")), Names{"child"});
}

TEST_P(UnionRename, ExchangedDirectoriesShowNothingOfTheLowersThatHadTheirNames) {
  base().file("a/hidden", "");
  base().file("b/hidden", "");
  middle().whiteout("a");
  middle().whiteout("b");
  mount();
  for (const char* name : {"a", "b"}) {
    ASSERT_EQ(tried(::mkdir(at(name).c_str(), 0755)), "ok");
    ASSERT_EQ(tried_write(at(std::string(name) + "/" + name), ""), "ok");
  }
  EXPECT_EQ(tried_rename(at("a"), at("b"), RENAME_EXCHANGE), "ok");
  EXPECT_EQ(names_in(at("a")), Names{"b"});
  EXPECT_EQ(names_in(at("b")), Names{"a"});
}

TEST_P(UnionRename, FlagsThatContradictEachOtherAreInvalid) {
  base().file("a", "");
  upper().file("b", "");
  mount();
  EXPECT_EQ(tried_rename(at("a"), at("b"), RENAME_NOREPLACE | RENAME_EXCHANGE), "EINVAL");
  EXPECT_EQ(tried_rename(at("a"), at("b"), 1U << 10), "EINVAL");
  EXPECT_EQ(tried_rename(at("b"), at("c"), RENAME_WHITEOUT), "EINVAL");
  EXPECT_EQ(names_in(root()), (Names{"a", "b"}));
}

TEST_P(UnionRename, ErrorsAreThoseOfAnyFileSystem) {
  base().file("file", "");
  base().file("dir/child", "");
  base().dir("empty");
  upper().file("upper/child", "");
  mount();
  EXPECT_EQ(tried_rename(at("absent"), at("x")), "ENOENT");
  EXPECT_EQ(tried_rename(at("file"), at("absent/x")), "ENOENT");
  EXPECT_EQ(tried_rename(at("file"), at("dir")), "EISDIR");
  EXPECT_EQ(tried_rename(at("upper"), at("file")), "ENOTDIR");
  EXPECT_EQ(tried_rename(at("upper"), at("dir")), "ENOTEMPTY");
  EXPECT_EQ(tried_rename(at("upper"), at("upper/child/x")), "ENOTDIR");
  EXPECT_EQ(tried_rename(at("upper"), at("upper/x")), "EINVAL");
  EXPECT_EQ(tried_rename(at("file"), at("file/x")), "ENOTDIR");
  EXPECT_EQ(tried_rename(at("upper/."), at("x")), "EBUSY");
  EXPECT_EQ(names_in(root()), (Names{"dir", "empty", "file", "upper"}));
}

TEST_P(UnionRename, ADirectoryOfTheUpperTakesItsTreeAlong) {
  upper().file("d/e/file", "text");
  upper().symlink("d/link", "e/file");
  mount();
  ASSERT_EQ(tried(::mkdir(at("into").c_str(), 0755)), "ok");
  EXPECT_EQ(tried_rename(at("d"), at("into/renamed")), "ok");
  EXPECT_EQ(names_in(root()), Names{"into"});
  EXPECT_EQ(names_in(at("into/renamed")), (Names{"e", "link"}));
  EXPECT_EQ(text_of(at("into/renamed/e/file")), "text");
  EXPECT_EQ(status_of(at("into/renamed/..")).st_ino, status_of(at("into")).st_ino);
  EXPECT_EQ(tried_write(at("into/renamed/e/new"), ""), "ok");
}

TEST_P(UnionRename, ADirectoryWithLowerPartsStaysInItsPlace) {
  base().file("lower/child", "");
  base().file("merged/child", "");
  upper().file("merged/own", "");
  base().dir("empty");
  mount();
  for (const char* name : {"lower", "merged", "empty"}) {
    EXPECT_EQ(tried_rename(at(name), at("new")), "EXDEV") << name;
    EXPECT_FALSE(exists(at("new")));
  }
  EXPECT_EQ(names_in(at("merged")), (Names{"child", "own"}));
}

TEST_P(UnionRename, ADirectoryWithLowerPartsIsNotExchanged) {
  base().file("lower/child", "");
  mount();
  ASSERT_EQ(tried(::mkdir(at("new").c_str(), 0755)), "ok");
  EXPECT_EQ(tried_rename(at("new"), at("lower"), RENAME_EXCHANGE), "EXDEV");
  EXPECT_EQ(tried_rename(at("lower"), at("new"), RENAME_EXCHANGE), "EXDEV");
  EXPECT_EQ(names_in(at("lower")), Names{"child"});
  EXPECT_EQ(names_in(at("new")), Names{});
}

TEST_P(UnionRename, ADirectoryWithLowerPartsCanBeMovedByCopying) {
  base().file("lower/sub/child", "text");
  mount();
  EXPECT_EQ(run_command("mv " + at("lower") + " " + at("new")).output, "");
  EXPECT_EQ(names_in(root()), Names{"new"});
  EXPECT_EQ(text_of(at("new/sub/child")), "text");
}

TEST_P(UnionRename, ADirectoryReplacesAnEmptyOne) {
  base().file("merged/child", "");
  base().dir("lower");
  middle().dir("lower");
  upper().file("a/one", "1");
  upper().file("b/two", "2");
  upper().file("c/three", "3");
  mount();
  ASSERT_EQ(tried(::unlink(at("merged/child").c_str())), "ok");
  ASSERT_EQ(tried(::mkdir(at("own").c_str(), 0755)), "ok");
  EXPECT_EQ(tried_rename(at("a"), at("merged")), "ok");
  EXPECT_EQ(tried_rename(at("b"), at("lower")), "ok");
  EXPECT_EQ(tried_rename(at("c"), at("own")), "ok");
  EXPECT_EQ(names_in(root()), (Names{"lower", "merged", "own"}));
  EXPECT_EQ(names_in(at("merged")), Names{"one"});
  EXPECT_EQ(names_in(at("lower")), Names{"two"});
  EXPECT_EQ(names_in(at("own")), Names{"three"});
  remount();
  EXPECT_EQ(names_in(at("merged")), Names{"one"});
}

TEST_P(UnionRename, ADirectoryOverAWhiteoutShowsNothingOfTheOld) {
  base().file("old/hidden", "");
  middle().file("other/hidden", "");
  upper().whiteout("other");
  mount();
  remove_tree_at(AT_FDCWD, at("old"));
  for (const char* name : {"a", "b"}) {
    ASSERT_EQ(tried(::mkdir(at(name).c_str(), 0755)), "ok");
    ASSERT_EQ(tried_write(at(std::string(name) + "/new"), ""), "ok");
  }
  EXPECT_EQ(tried_rename(at("a"), at("old")), "ok");
  EXPECT_EQ(tried_rename(at("b"), at("other")), "ok");
  EXPECT_EQ(names_in(at("old")), Names{"new"});
  EXPECT_EQ(names_in(at("other")), Names{"new"});
  remount();
  EXPECT_EQ(names_in(at("old")), Names{"new"});
  EXPECT_EQ(names_in(at("other")), Names{"new"});
}

TEST_P(UnionRename, AnOpaqueDirectoryIsOneOfTheUpper) {
  base().file("d/hidden", "");
  mount();
  remove_tree_at(AT_FDCWD, at("d"));
  ASSERT_EQ(tried(::mkdir(at("d").c_str(), 0755)), "ok");
  ASSERT_EQ(tried_write(at("d/new"), ""), "ok");
  EXPECT_EQ(tried_rename(at("d"), at("e")), "ok");
  EXPECT_EQ(names_in(root()), Names{"e"});
  EXPECT_EQ(names_in(at("e")), Names{"new"});
  EXPECT_TRUE(upper().has_whiteout("d"));
  ASSERT_EQ(tried_rename(at("e"), at("d")), "ok");
  EXPECT_EQ(names_in(at("d")), Names{"new"});
}

TEST_P(UnionRename, AnOpenDirectoryIsFollowedToItsNewPlace) {
  mount();
  ASSERT_EQ(tried(::mkdir(at("a").c_str(), 0755)), "ok");
  ASSERT_EQ(tried(::mkdir(at("to").c_str(), 0755)), "ok");
  const Fd dir = open_dir_at(AT_FDCWD, at("a"));
  EXPECT_EQ(tried_rename(at("a"), at("to/b")), "ok");
  const Fd made(::openat(dir.get(), "inside", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  EXPECT_TRUE(made);
  EXPECT_EQ(names_in(at("to/b")), Names{"inside"});
  EXPECT_EQ(tried_write(at("to/b/../beside"), ""), "ok");
  EXPECT_EQ(names_in(at("to")), (Names{"b", "beside"}));
}

TEST_P(UnionRename, TheParentsTimesTellOfTheChange) {
  base().file("from/a", "");
  base().dir("to");
  make_old(base().path("from"));
  make_old(base().path("to"));
  mount();
  EXPECT_EQ(tried_rename(at("from/a"), at("to/a")), "ok");
  EXPECT_GT(mtime_of(at("from")), 1'000'000'002'000'000'000);
  EXPECT_GT(mtime_of(at("to")), 1'000'000'002'000'000'000);
}

INSTANTIATE_TEST_SUITE_P(On, UnionRename, ::testing::ValuesIn(whiteout_cases()), case_name);

}  // namespace
}  // namespace layerkit
