#include "layerkit/unionmount/open_branches.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "expect_error.h"
#include "temp_dir.h"
#include "union_fixture.h"

namespace layerkit {
namespace {

using testing::expect_error;
using testing::TempDir;

BranchText text_of(const std::string& text) {
  std::vector<std::string> warnings;
  return parse_branch(text, warnings);
}

class OpenBranchesTest : public ::testing::Test {
 protected:
  OpenBranchesTest() {
    for (const char* const name : {"a", "b", "c", "a/sub", "a/sub/deep", "ab"})
      make_dir_at(dir_.fd(), name, 0755);
  }

  std::vector<Branch> open(const std::vector<std::string>& names) const {
    std::vector<Branch> branches;
    for (const std::string& name : names)
      branches.push_back(open_branch(text_of(dir_.path(name)), BranchAccess::ReadOnly));
    return branches;
  }

  TempDir dir_;
};

TEST_F(OpenBranchesTest, TheTopIsWritableWhereNothingIsSaid) {
  const std::vector<BranchText> texts = {text_of(dir_.path("a")), text_of(dir_.path("b")),
                                         text_of(dir_.path("c") + "=rw")};
  const std::vector<Branch> branches = open_branches(texts, false);
  ASSERT_EQ(branches.size(), 3U);
  EXPECT_EQ(branches[0].access, BranchAccess::ReadWrite);
  EXPECT_EQ(branches[1].access, BranchAccess::ReadOnly);
  EXPECT_EQ(branches[2].access, BranchAccess::ReadWrite);
  EXPECT_EQ(open_branches(texts, true)[0].access, BranchAccess::ReadOnly);
  EXPECT_EQ(open_branches(texts, true)[2].access, BranchAccess::ReadWrite);
}

TEST_F(OpenBranchesTest, APermissionThatIsSaidHolds) {
  const std::vector<Branch> branches = open_branches({text_of(dir_.path("a") + "=ro+wh")}, false);
  EXPECT_EQ(branches.at(0).access, BranchAccess::ReadOnly);
  EXPECT_TRUE(branches.at(0).attributes.whiteouts);
}

TEST_F(OpenBranchesTest, ThePathIsTheOneWithoutSymlinks) {
  make_symlink_at("a", dir_.fd(), "link");
  const Branch branch = open_branch(text_of(dir_.path("b/../link/./sub/")), BranchAccess::ReadOnly);
  EXPECT_EQ(branch.path, dir_.path("a/sub"));
  EXPECT_EQ(stat_fd(branch.directory.get()).ino, stat_at(dir_.fd(), "a/sub")->ino);
}

TEST_F(OpenBranchesTest, DescriptorsAreOpenedForNothingElse) {
  const Branch branch = open_branch(text_of(dir_.path("a")), BranchAccess::ReadOnly);
  EXPECT_EQ(::fcntl(branch.directory.get(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(::fcntl(branch.directory.get(), F_GETFL) & O_PATH, O_PATH);
}

TEST_F(OpenBranchesTest, ErrorsNameTheBranch) {
  testing::put(dir_.path("file"), "");
  expect_error(Errc::NotFound, "opening the branch '" + dir_.path("none") + "': opening '", [&] {
    open({"a", "none"});
  });
  expect_error(Errc::Io, "file': Not a directory", [&] { open({"file"}); });
}

TEST_F(OpenBranchesTest, ARemovedDirectoryIsNoBranch) {
  const Fd removed = open_dir_at(dir_.fd(), "b");
  ASSERT_TRUE(unlink_at(dir_.fd(), "b", AT_REMOVEDIR));
  expect_error(Errc::NotFound, "the directory has been removed", [&] {
    open_branch(text_of("/proc/self/fd/" + std::to_string(removed.get())), BranchAccess::ReadOnly);
  });
}

TEST_F(OpenBranchesTest, ADirectoryMayBeCalledDeleted) {
  make_dir_at(dir_.fd(), "x (deleted)", 0755);
  EXPECT_EQ(open({"x (deleted)"}).at(0).path, dir_.path("x (deleted)"));
}

TEST_F(OpenBranchesTest, SeparateDirectoriesAreFine) {
  check_branches(open({"a", "b", "ab"}));
  check_branches({});
}

TEST_F(OpenBranchesTest, RefusesADirectoryTwice) {
  make_symlink_at("a/sub", dir_.fd(), "link");
  expect_error(Errc::Invalid,
               "branch 2 ('" + dir_.path("a/sub") + "') is the same directory as branch 0 ('" +
                   dir_.path("a/sub") + "')",
               [&] {
                 check_branches(open({"link", "b", "a/sub"}));
               });
}

TEST_F(OpenBranchesTest, RefusesABranchInABranch) {
  make_symlink_at("a/sub/deep", dir_.fd(), "link");
  expect_error(
      Errc::Invalid,
      "branch 1 ('" + dir_.path("a/sub/deep") + "') lies in branch 2 ('" + dir_.path("a") + "')",
      [&] {
        check_branches(open({"b", "link", "a"}));
      });
  expect_error(Errc::Invalid,
               "branch 0 ('" + dir_.path("a") + "') lies in branch 1 ('" + dir_.path() + "')", [&] {
                 check_branches(open({"a", "."}));
               });
}

TEST_F(OpenBranchesTest, FollowsADirectoryThatWasMoved) {
  const std::vector<Branch> branches = open({"b", "a/sub"});
  rename_at(dir_.fd(), "a/sub", dir_.fd(), "b/sub");
  expect_error(Errc::Invalid, "branch 1 ('" + dir_.path("a/sub") + "') lies in branch 0",
               [&] { check_branches(branches); });
}

TEST_F(OpenBranchesTest, TheNumberOfBranchesHasALimit) {
  std::vector<Branch> branches(kMaxBranches + 1);
  expect_error(Errc::Limit, "the union has 4097 branches, the limit is 4096",
               [&] { check_branches(branches); });
}

}  // namespace
}  // namespace layerkit
