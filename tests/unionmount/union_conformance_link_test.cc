// Hard links and what link counts say.

#include <sys/sysmacros.h>

#include "union_conformance.h"

namespace layerkit {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the suite's own words

constexpr const char* kOthersDoNotLink =
    "names that were not copied up are joined to the copy by records of the union";

class UnionLink : public UnionTest {
 protected:
  std::string tried_link(const std::string& from, const std::string& to) const {
    return tried(::link(at(from).c_str(), at(to).c_str()));
  }
  void expect_one_file(const Names& names) const {
    for (const std::string& name : names) {
      EXPECT_EQ(status_of(at(name)).st_ino, status_of(at(names.front())).st_ino) << name;
      EXPECT_EQ(status_of(at(name)).st_nlink, names.size()) << name;
    }
  }
};

TEST_P(UnionLink, NamesOfAFileOfTheUpperAreOneFile) {
  upper().file("a", "text");
  mount();
  EXPECT_EQ(tried_link("a", "b"), "ok");
  EXPECT_EQ(tried_write(at("c"), "new"), "ok");
  EXPECT_EQ(tried_link("c", "d"), "ok");
  expect_one_file({"a", "b"});
  expect_one_file({"c", "d"});
  EXPECT_EQ(tried_write(at("b"), "TEXT"), "ok");
  EXPECT_EQ(text_of(at("a")), "TEXT");
}

TEST_P(UnionLink, ALinkToALowerFileIsOneFileWithIt) {
  base().file("a", "text", 0640);
  make_old(base().path("a"));
  mount();
  EXPECT_EQ(tried_link("a", "b"), "ok");
  expect_one_file({"a", "b"});
  EXPECT_EQ(mtime_of(at("b")), 1'000'000'001'123'456'789);
  EXPECT_EQ(tried_write(at("a"), "TEXT"), "ok");
  EXPECT_EQ(text_of(at("b")), "TEXT");
  EXPECT_EQ(tried(::unlink(at("a").c_str())), "ok");
  EXPECT_EQ(text_of(at("b")), "TEXT");
  EXPECT_EQ(status_of(at("b")).st_nlink, 1U);
  EXPECT_TRUE(upper().has_whiteout("a"));
}

TEST_P(UnionLink, ALinkIsMadeInADirectoryOfAnotherBranch) {
  base().file("from/a", "text");
  middle().dir("to");
  mount();
  EXPECT_EQ(tried_link("from/a", "to/b"), "ok");
  expect_one_file({"from/a", "to/b"});
}

TEST_P(UnionLink, ALinkTakesThePlaceOfAWhiteout) {
  base().file("a", "text");
  base().file("gone", "hidden");
  middle().whiteout("gone");
  mount();
  EXPECT_EQ(tried_link("a", "gone"), "ok");
  expect_one_file({"a", "gone"});
  EXPECT_EQ(tried(::unlink(at("gone").c_str())), "ok");
  EXPECT_EQ(tried_link("a", "gone"), "ok");
  EXPECT_EQ(text_of(at("gone")), "text");
}

TEST_P(UnionLink, NotOnlyFilesCanBeLinked) {
  base().symlink("symlink", "nowhere");
  base().node("fifo", S_IFIFO | 0644);
  base().node("device", S_IFCHR | 0644, makedev(1, 3));
  base().node("socket", S_IFSOCK | 0644);
  mount();
  for (const char* name : {"symlink", "fifo", "device", "socket"}) {
    EXPECT_EQ(tried_link(name, std::string(name) + "2"), "ok") << name;
    expect_one_file({name, std::string(name) + "2"});
    EXPECT_EQ(status_of(at(name)).st_mode, status_of(at(std::string(name) + "2")).st_mode);
  }
  EXPECT_EQ(read_link_at(AT_FDCWD, at("symlink2")), "nowhere");
}

TEST_P(UnionLink, ASymlinkIsFollowedWhereAskedFor) {
  base().file("a", "text");
  base().symlink("symlink", "a");
  mount();
  EXPECT_EQ(tried(::linkat(AT_FDCWD, at("symlink").c_str(), AT_FDCWD, at("b").c_str(),
                           AT_SYMLINK_FOLLOW)),
            "ok");
  expect_one_file({"a", "b"});
}

TEST_P(UnionLink, ADescriptorCanBeGivenAName) {
  base().file("a", "text");
  mount();
  const Fd fd = open_file(at("a"), O_RDONLY);
  EXPECT_EQ(tried(::linkat(fd.get(), "", AT_FDCWD, at("b").c_str(), AT_EMPTY_PATH)), "ok");
  expect_one_file({"a", "b"});
}

TEST_P(UnionLink, ErrorsAreThoseOfAnyFileSystem) {
  base().file("a", "");
  base().file("b", "");
  base().dir("dir");
  mount();
  EXPECT_EQ(tried_link("a", "b"), "EEXIST");
  EXPECT_EQ(tried_link("a", "a"), "EEXIST");
  EXPECT_EQ(tried_link("a", "dir"), "EEXIST");
  EXPECT_EQ(tried_link("dir", "dir2"), "EPERM");
  EXPECT_EQ(tried_link("absent", "c"), "ENOENT");
  EXPECT_EQ(tried_link("a", "absent/c"), "ENOENT");
  EXPECT_EQ(tried_link("a", "b/c"), "ENOTDIR");
  EXPECT_EQ(names_in(root()), (Names{"a", "b", "dir"}));
}

TEST_P(UnionLink, LowerNamesOfOneFileAreOneFile) {
  base().file("a", "text");
  base().link("b", "a");
  base().link("d/c", "a");
  mount();
  expect_one_file({"a", "b", "d/c"});
}

TEST_P(UnionLink, AChangeThroughOneLowerNameShowsInAllOrInOne) {
  expect_own_view_only(kOthersDoNotLink);
  base().file("a", "text");
  base().link("b", "a");
  base().link("d/c", "a");
  mount();
  EXPECT_EQ(tried_write(at("b"), "TEXT"), "ok");
  EXPECT_EQ(text_of(at("b")), "TEXT");
  const std::string others = traits().links_survive_copy_up ? "TEXT" : "text";
  EXPECT_EQ(text_of(at("a")), others);
  EXPECT_EQ(text_of(at("d/c")), others);
  if (traits().links_survive_copy_up) {
    expect_one_file({"a", "b", "d/c"});
    EXPECT_EQ(tried(::chmod(at("d/c").c_str(), 0600)), "ok");
    EXPECT_EQ(tried(::chown(at("a").c_str(), 3, 4)), "ok");
    for (const char* name : {"a", "b", "d/c"}) {
      EXPECT_EQ(mode_of(at(name)), 0600U) << name;
      EXPECT_EQ(status_of(at(name)).st_uid, 3U) << name;
    }
  }
}

TEST_P(UnionLink, ChangesThroughEachOfSeveralLowerNamesAddUp) {
  expect_own_view_only(kOthersDoNotLink);
  if (!traits().links_survive_copy_up) GTEST_SKIP() << backend().name << " parts them";
  base().file("a", "....");
  base().link("b", "a");
  base().link("c", "a");
  mount();
  int place = 0;
  for (const char* name : {"c", "a", "b"}) {
    const Fd fd = open_file(at(name), O_WRONLY);
    EXPECT_EQ(::pwrite(fd.get(), name, 1, place++), 1);
  }
  for (const char* name : {"a", "b", "c"})
    EXPECT_EQ(text_of(at(name)), "cab.") << name;
  remount();
  for (const char* name : {"a", "b", "c"})
    EXPECT_EQ(text_of(at(name)), "cab.") << name;
  expect_one_file({"a", "b", "c"});
}

TEST_P(UnionLink, ARemovedLowerNameLeavesTheOthers) {
  expect_own_view_only(kOthersDoNotLink);
  base().file("a", "text");
  base().link("b", "a");
  base().link("c", "a");
  mount();
  EXPECT_EQ(tried(::unlink(at("b").c_str())), "ok");
  EXPECT_EQ(names_in(root()), (Names{"a", "c"}));
  EXPECT_EQ(text_of(at("a")), "text");
  // A name that is hidden, and not gone from the branch, may be counted.
  EXPECT_EQ(status_of(at("a")).st_ino, status_of(at("c")).st_ino);
  EXPECT_GE(status_of(at("a")).st_nlink, 2U);
  EXPECT_EQ(tried(::unlink(at("a").c_str())), "ok");
  EXPECT_EQ(text_of(at("c")), "text");
  EXPECT_EQ(tried(::unlink(at("c").c_str())), "ok");
  EXPECT_EQ(names_in(root()), Names{});
}

TEST_P(UnionLink, ALowerNameThatIsReplacedLeavesTheOthers) {
  base().file("a", "old");
  base().link("b", "a");
  mount();
  EXPECT_EQ(tried_write(at("new"), "new"), "ok");
  EXPECT_EQ(tried_rename(at("new"), at("a")), "ok");
  EXPECT_EQ(text_of(at("a")), "new");
  EXPECT_EQ(text_of(at("b")), "old");
  EXPECT_EQ(status_of(at("a")).st_nlink, 1U);
}

TEST_P(UnionLink, ARenamedLowerNameStaysWithTheOthersWhereLinksSurvive) {
  expect_own_view_only(kOthersDoNotLink);
  base().file("a", "text");
  base().link("b", "a");
  mount();
  EXPECT_EQ(tried_rename(at("a"), at("c")), "ok");
  EXPECT_EQ(names_in(root()), (Names{"b", "c"}));
  EXPECT_EQ(text_of(at("c")), "text");
  EXPECT_EQ(tried_write(at("c"), "TEXT"), "ok");
  EXPECT_EQ(text_of(at("b")), traits().links_survive_copy_up ? "TEXT" : "text");
  if (traits().links_survive_copy_up) expect_one_file({"b", "c"});
}

TEST_P(UnionLink, OtherNamesOfACopiedUpFileCanBeRenamed) {
  expect_own_view_only(kOthersDoNotLink);
  base().file("file", "text");
  base().symlink("symlink", "target");
  base().node("fifo", S_IFIFO | 0644);
  base().node("socket", S_IFSOCK | 0644);
  base().node("device", S_IFCHR | 0644, makedev(1, 3));
  base().dir("d");
  const Names kinds = {"device", "fifo", "file", "socket", "symlink"};
  for (const std::string& kind : kinds) {
    for (const char* number : {"2", "3", "4"})
      base().link(kind + number, kind);
  }
  mount();
  for (const std::string& kind : kinds) {
    ASSERT_EQ(tried(::lchown(at(kind).c_str(), 5, 5)), "ok") << kind;
    EXPECT_EQ(tried_rename(at(kind + "2"), at(kind + "-renamed")), "ok") << kind;
    EXPECT_EQ(tried_rename(at(kind + "3"), at("d/" + kind)), "ok") << kind;
    EXPECT_EQ(tried_rename(at(kind), at(kind + "-first")), "ok") << kind;
    const std::uint32_t owner = traits().links_survive_copy_up ? 5 : 0;
    for (const std::string& name : {kind + "-renamed", "d/" + kind, kind + "4"})
      EXPECT_EQ(status_of(at(name)).st_uid, owner) << name;
    if (traits().links_survive_copy_up)
      expect_one_file({kind + "-first", kind + "-renamed", "d/" + kind, kind + "4"});
  }
  EXPECT_EQ(names_in(at("d")), kinds);
}

TEST_P(UnionLink, ANewNameOfAFileWithSeveralLowerNamesIsCounted) {
  expect_own_view_only(kOthersDoNotLink);
  base().file("a", "text");
  base().link("b", "a");
  mount();
  EXPECT_EQ(tried_link("a", "c"), "ok");
  EXPECT_EQ(text_of(at("c")), "text");
  EXPECT_EQ(status_of(at("c")).st_ino, status_of(at("a")).st_ino);
  if (traits().links_survive_copy_up) expect_one_file({"a", "b", "c"});
}

TEST_P(UnionLink, LinksInAHiddenPlaceAreNoHindrance) {
  expect_own_view_only(kOthersDoNotLink);
  base().file("a", "text");
  base().link("hidden/b", "a");
  middle().whiteout("hidden");
  mount();
  EXPECT_EQ(tried_write(at("a"), "TEXT"), "ok");
  EXPECT_EQ(text_of(at("a")), "TEXT");
  EXPECT_EQ(names_in(root()), Names{"a"});
}

TEST_P(UnionLink, WritersAndReadersOfTwoLowerNamesAgreeWhereLinksSurvive) {
  expect_own_view_only(kOthersDoNotLink);
  if (!traits().links_survive_copy_up) GTEST_SKIP() << backend().name << " parts them";
  base().file("a", "text");
  base().link("b", "a");
  mount();
  const Fd reader = open_file(at("a"), O_RDONLY);
  const Fd writer = open_file(at("b"), O_RDWR);
  EXPECT_EQ(::pwrite(writer.get(), "TEXT", 4, 0), 4);
  EXPECT_EQ(text_of(at("a")), "TEXT");
  EXPECT_EQ(status_of(reader.get()).st_ino, status_of(writer.get()).st_ino);
}

TEST_P(UnionLink, FilesHaveOneNameAndNewDirectoriesTwo) {
  base().file("file", "");
  mount();
  EXPECT_EQ(status_of(at("file")).st_nlink, 1U);
  EXPECT_EQ(tried_write(at("file"), "copied up"), "ok");
  EXPECT_EQ(status_of(at("file")).st_nlink, 1U);
  ASSERT_EQ(tried(::mkdir(at("dir").c_str(), 0755)), "ok");
  // 1 is the word of file systems that do not count: find(1) then trusts nothing.
  const nlink_t links = status_of(at("dir")).st_nlink;
  EXPECT_TRUE(links == 2 || links == 1) << links;
}

TEST_P(UnionLink, TheCountOfADirectoryNeverHidesASubdirectory) {
  base().dir("d/a");
  base().dir("d/b");
  middle().dir("d/c");
  upper().dir("d/a");
  mount();
  // find(1) stops looking for directories after nlink - 2 of them; 1 and 0 tell it not to count.
  const nlink_t links = status_of(at("d")).st_nlink;
  EXPECT_TRUE(links <= 1 || links >= 2 + 3) << links;
}

TEST_P(UnionLink, DirectoriesInAMergedDirectoryAreCounted) {
  if (!traits().counts_subdirectories) GTEST_SKIP() << backend().name << " tells not to count them";
  base().dir("d/a");
  base().dir("d/b");
  base().dir("d/c");
  base().file("d/f", "");
  middle().dir("d/a");
  middle().whiteout("d/b");
  upper().dir("d/e");
  mount();
  const auto links = [&] { return status_of(at("d")).st_nlink; };
  EXPECT_EQ(links(), 2U + 3);
  EXPECT_EQ(tried(::mkdir(at("d/b").c_str(), 0755)), "ok");
  EXPECT_EQ(links(), 2U + 4);
  EXPECT_EQ(tried(::rmdir(at("d/c").c_str())), "ok");
  EXPECT_EQ(links(), 2U + 3);
  EXPECT_EQ(tried_rename(at("d/e"), at("e")), "ok");
  EXPECT_EQ(links(), 2U + 2);
  remount();
  EXPECT_EQ(links(), 2U + 2);
}

INSTANTIATE_TEST_SUITE_P(On,
                         UnionLink,
                         ::testing::ValuesIn(union_cases({Medium::Memory, Medium::Mixed})),
                         case_name);

}  // namespace
}  // namespace layerkit
