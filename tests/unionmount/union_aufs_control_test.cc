// Branches that come, go and change while the union is mounted.

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>

#include "expect_error.h"
#include "layerkit/unionmount/union_client.h"
#include "union_aufs.h"

namespace layerkit {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the suite's own words

class AufsControl : public AufsTest {
 protected:
  /// Asks the server of the union that is mounted.
  UnionClient client() const {
    for (const UnionInfo& info : list_unions()) {
      if (info.id == id()) return UnionClient(info);
    }
    fail(Errc::NotFound, "the union has no control directory");
  }
  void insert(int index, const BranchDir& branch, const BranchSetup& setup) const {
    const BranchText text{.path = branch.path(),
                          .access = setup.access,
                          .access_given = true,
                          .attributes = setup.attributes};
    client().insert_branch(index, text, open_at(AT_FDCWD, branch.path(), O_PATH | O_DIRECTORY));
  }
  void modify(const BranchDir& branch, const BranchSetup& setup) const {
    client().modify_branch({.path = branch.path(),
                            .access = setup.access,
                            .access_given = true,
                            .attributes = setup.attributes});
  }
  /// The kernel tells the server later than the process that a file was closed.
  void delete_soon(const BranchDir& branch) const {
    for (int tries = 0; tries < 1000; ++tries) {
      try {
        return client().delete_branch(branch.path());
      } catch (const Error& error) {
        if (error.code() != Errc::Busy) throw;
        ::usleep(1000);
      }
    }
    ADD_FAILURE() << "the branch stays busy";
  }
  /// The branches as the server tells them: "upper=rw".
  Names told() const {
    Names branches;
    for (const BranchState& state : client().branches()) {
      branches.push_back(state.path.substr(state.path.rfind('/') + 1) + "=" + state.permission);
    }
    return branches;
  }
  /// A directory that is no branch yet.
  BranchDir another(const std::string& name) {
    return {base().path() + "-" + name, backend().lower_whiteouts};
  }
  void SetUp() override {
    AufsTest::SetUp();
    if (!IsSkipped() && backend().name == "aufs")
      GTEST_SKIP() << "the kernel's AUFS is changed by remounting";
    leave_out_final_check("the union does not have the branches it was mounted with");
  }
};

TEST_P(AufsControl, BranchesAreTold) {
  mount();
  EXPECT_EQ(told(), (Names{"upper=rw", "middle=ro+wh", "base=ro+wh"}));
}

TEST_P(AufsControl, TheMountPointTellsThemAsAnAttribute) {
  mount();
  constexpr const char* kKey = "user.aufs.branches";
  const auto list = [&] { return xattr_of(root(), kKey); };
  const std::string lowers = middle().path() + "=ro+wh\n" + base().path() + "=ro+wh\n";
  EXPECT_EQ(list(), upper().path() + "=rw\n" + lowers);
  const BranchDir more = another("more");
  insert(-1, more, {});
  EXPECT_EQ(list(), upper().path() + "=rw\n" + lowers + more.path() + "=ro\n");
  EXPECT_EQ(tried(::setxattr(root().c_str(), kKey, "x", 1, 0)), "EPERM");
  EXPECT_EQ(tried(::removexattr(root().c_str(), kKey)), "EPERM");
  EXPECT_EQ(::listxattr(root().c_str(), nullptr, 0), 0) << "copies of the root do not get it";
  EXPECT_EQ(tried(::mkdir(at("d").c_str(), 0755)), "ok");
  EXPECT_EQ(tried(static_cast<int>(::getxattr(at("d").c_str(), kKey, nullptr, 0))), "ENODATA");
}

TEST_P(AufsControl, AnAppendedBranchIsSeenAtOnce) {
  const BranchDir more = another("more");
  more.file("new", "more");
  more.file("d/more", "more");
  more.file("shared", "more");
  base().file("d/base", "base");
  base().file("shared", "base");
  mount();
  EXPECT_EQ(names_in(at("d")), Names{"base"});
  EXPECT_FALSE(exists(at("new")));
  insert(-1, more, kReadOnlyWithWhiteouts);
  EXPECT_EQ(told().back(), "base-more=ro+wh");
  EXPECT_EQ(text_of(at("new")), "more");
  EXPECT_EQ(names_in(at("d")), (Names{"base", "more"}));
  EXPECT_EQ(text_of(at("shared")), "base");
  ASSERT_EQ(tried_write(at("new"), "MORE"), "ok");
  EXPECT_EQ(upper().text("new"), "MORE");
  EXPECT_EQ(more.text("new"), "more");
}

TEST_P(AufsControl, ABranchOnTopCoversTheOthersAndTakesWhatIsNew) {
  const BranchDir top = another("top");
  top.file("shared", "top");
  base().file("shared", "base");
  base().file("lower", "base");
  base().file("gone", "base");
  mount();
  EXPECT_EQ(text_of(at("shared")), "base");
  insert(0, top, kWritable);
  EXPECT_EQ(told().front(), "base-top=rw");
  EXPECT_EQ(text_of(at("shared")), "top");
  ASSERT_EQ(tried_write(at("new"), "new"), "ok");
  ASSERT_EQ(tried_write(at("lower"), "LOWER"), "ok");
  ASSERT_EQ(tried(::unlink(at("gone").c_str())), "ok");
  EXPECT_EQ(top.text("new"), "new");
  EXPECT_EQ(top.text("lower"), "LOWER");
  EXPECT_FALSE(upper().has("new"));
  EXPECT_EQ(names_in(root()), (Names{"lower", "new", "shared"}));
}

TEST_P(AufsControl, WhiteoutsOfANewBranchCount) {
  const BranchDir between = another("between");
  between.whiteout("hidden");
  between.file("d/own", "");
  between.opaque("d");
  base().file("hidden", "");
  base().file("d/base", "");
  mount();
  EXPECT_EQ(names_in(root()), (Names{"d", "hidden"}));
  insert(1, between, kReadOnlyWithWhiteouts);
  EXPECT_EQ(names_in(root()), Names{"d"});
  EXPECT_EQ(names_in(at("d")), Names{"own"});
}

TEST_P(AufsControl, ADeletedBranchIsGoneFromTheUnionOnly) {
  middle().file("middle", "middle");
  middle().file("shared", "middle");
  middle().file("d/middle", "middle");
  base().file("shared", "base");
  base().file("d/base", "base");
  mount();
  EXPECT_EQ(text_of(at("shared")), "middle");
  EXPECT_EQ(names_in(at("d")), (Names{"base", "middle"}));
  delete_soon(middle());
  EXPECT_EQ(told(), (Names{"upper=rw", "base=ro+wh"}));
  EXPECT_EQ(text_of(at("shared")), "base");
  EXPECT_EQ(names_in(at("d")), Names{"base"});
  EXPECT_EQ(tried_open(at("middle"), O_RDONLY), "ENOENT");
  EXPECT_EQ(middle().text("middle"), "middle");
}

TEST_P(AufsControl, NamesThatWereAbsentAppear) {
  const BranchDir more = another("more");
  more.file("late", "more");
  more.file("d/late", "more");
  base().dir("d");
  base().file("hidden", "base");
  base().file("d/hidden", "base");
  middle().whiteout("hidden");
  middle().dir("d");
  middle().whiteout("d/hidden");
  mount({.aufs = {.udba = Udba::None}});
  for (const char* name : {"late", "hidden", "d/late", "d/hidden"})
    ASSERT_FALSE(exists(at(name))) << name;
  insert(-1, more, {});
  for (const char* name : {"late", "d/late"})
    EXPECT_TRUE(exists(at(name))) << name;
  delete_soon(middle());
  for (const char* name : {"hidden", "d/hidden"})
    EXPECT_TRUE(exists(at(name))) << name;
}

TEST_P(AufsControl, WhoeverIsInADirectoryStaysThere) {
  middle().dir("d/in");
  base().dir("d/in");
  base().dir("d/mounted");
  const BranchDir more = another("more");
  more.file("d/in/late", "more");
  for (const Udba udba : {Udba::None, Udba::Revalidate, Udba::Notify}) {
    mount({.aufs = {.udba = udba}});
    const Fd before = open_at(AT_FDCWD, ".", O_PATH | O_DIRECTORY);
    ASSERT_EQ(tried(::chdir(at("d/in").c_str())), "ok");
    ASSERT_EQ(tried(::mount("none", at("d/mounted").c_str(), "tmpfs", 0, nullptr)), "ok");
    ASSERT_EQ(tried_write(at("d/mounted/file"), "text"), "ok");
    insert(0, more, kWritable);
    std::array<char, PATH_MAX> path = {};
    EXPECT_EQ(::getcwd(path.data(), path.size()), path.data()) << errno_text(errno);
    EXPECT_EQ(std::string(path.data()), at("d/in"));
    EXPECT_EQ(text_of("late"), "more");
    EXPECT_EQ(text_of(at("d/mounted/file")), "text");
    EXPECT_EQ(tried(::fchdir(before.get())), "ok");
    delete_soon(more);
    EXPECT_EQ(text_of(at("d/mounted/file")), "text");
    EXPECT_EQ(tried(::umount2(at("d/mounted").c_str(), MNT_DETACH)), "ok");
    unmount();
  }
}

TEST_P(AufsControl, WhatABranchMakesUnreadableDoesNotStopTheChange) {
  const BranchDir more = another("more");
  more.dir("d");
  more.file("e/more", "more");
  set_xattr_at(AT_FDCWD, more.path("d"), "trusted.overlay.redirect", "moved");
  base().file("d/base", "base");
  base().dir("e");
  mount();
  ASSERT_EQ(text_of(at("d/base")), "base");
  ASSERT_TRUE(exists(at("e")));
  insert(1, more, kReadOnlyWithWhiteouts);
  EXPECT_EQ(tried_open(at("d"), O_RDONLY), "EPERM");
  EXPECT_EQ(text_of(at("e/more")), "more");
  delete_soon(more);
  EXPECT_EQ(text_of(at("d/base")), "base");
  EXPECT_EQ(names_in(at("e")), Names{});
}

TEST_P(AufsControl, ABranchWithAnOpenFileIsBusy) {
  middle().file("f", "text");
  mount();
  {
    const Fd fd = open_file(at("f"), O_RDONLY);
    expect_error(Errc::Busy, "middle", [&] { client().delete_branch(middle().path()); });
    EXPECT_EQ(text_of(fd.get()), "text");
  }
  EXPECT_EQ(told().size(), 3U);
  EXPECT_EQ(text_of(at("f")), "text");
}

TEST_P(AufsControl, WhatIsThereOrAbsentAlreadyIsNoError) {
  mount();
  insert(-1, middle(), kReadOnlyWithWhiteouts);
  client().delete_branch(base().path() + "-never-was");
  EXPECT_EQ(told(), (Names{"upper=rw", "middle=ro+wh", "base=ro+wh"}));
}

TEST_P(AufsControl, BranchesMustNotOverlap) {
  middle().dir("inside");
  mount();
  const BranchDir inside(middle().path("inside"), backend().lower_whiteouts);
  expect_error(Errc::Invalid, "inside", [&] { insert(-1, inside, {}); });
  EXPECT_EQ(told().size(), 3U);
}

TEST_P(AufsControl, TheLastBranchStays) {
  mount();
  client().delete_branch(middle().path());
  client().delete_branch(base().path());
  EXPECT_EQ(told(), Names{"upper=rw"});
  expect_error(Errc::Invalid, "last", [&] { client().delete_branch(upper().path()); });
  EXPECT_EQ(tried_write(at("f"), "text"), "ok");
}

TEST_P(AufsControl, ABranchThatBecomesReadOnlyIsWrittenToNoMore) {
  upper().file("f", "upper");
  mount(two_writable());
  modify(upper(), kReadOnlyWithWhiteouts);
  EXPECT_EQ(told().front(), "upper=ro+wh");
  EXPECT_EQ(tried_open(at("f"), O_WRONLY), "EROFS");
  ASSERT_EQ(tried_write(at("new"), ""), "ok");
  EXPECT_EQ(places_of("new"), "m");
  modify(upper(), kWritable);
  ASSERT_EQ(tried_write(at("f"), "UPPER"), "ok");
  EXPECT_EQ(upper().text("f"), "UPPER");
}

TEST_P(AufsControl, ABranchWithAWriterDoesNotBecomeReadOnly) {
  upper().file("f", "text");
  mount();
  {
    const Fd writer = open_file(at("f"), O_WRONLY);
    expect_error(Errc::Busy, "upper", [&] { modify(upper(), kReadOnlyWithWhiteouts); });
  }
  EXPECT_EQ(told().front(), "upper=rw");
  EXPECT_EQ(tried_write(at("f"), "TEXT"), "ok");
}

TEST_P(AufsControl, AReadOnlyBranchBecomesWritable) {
  base().file("f", "text");
  mount();
  modify(base(), kWritable);
  ASSERT_EQ(tried_write(at("f"), "TEXT"), "ok");
  EXPECT_EQ(base().text("f"), "TEXT");
  EXPECT_FALSE(upper().has("f"));
}

TEST_P(AufsControl, PoliciesChangeWhileMounted) {
  mount(all_writable());
  ASSERT_EQ(tried_write(at("first"), ""), "ok");
  EXPECT_EQ(places_of("first"), "u");
  client().change_settings({.create = {.rule = CreateRule::MostFree}});
  ASSERT_EQ(tried_write(at("second"), ""), "ok");
  EXPECT_EQ(places_of("second"), "b");
}

TEST_P(AufsControl, FilesStayOpenWhileBranchesComeAndGo) {
  const BranchDir more = another("more");
  more.file("more", "more");
  base().file("f", "text");
  upper().file("u", "text");
  mount();
  const Fd reader = open_file(at("f"), O_RDONLY);
  const Fd writer = open_file(at("u"), O_RDWR);
  for (int i = 0; i < 20; ++i) {
    insert(1, more, kReadOnlyWithWhiteouts);
    ASSERT_EQ(text_of(at("more")), "more");
    ASSERT_EQ(::pwrite(writer.get(), "T", 1, 0), 1);
    ASSERT_EQ(text_of(reader.get()), "text");
    delete_soon(more);
    ASSERT_EQ(tried_open(at("more"), O_RDONLY), "ENOENT");
  }
  EXPECT_EQ(text_of(at("u")), "Text");
  EXPECT_EQ(status_of(reader.get()).st_ino, status_of(at("f")).st_ino);
}

INSTANTIATE_TEST_SUITE_P(On, AufsControl, ::testing::ValuesIn(aufs_cases()), case_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(AufsControl);

}  // namespace
}  // namespace layerkit
