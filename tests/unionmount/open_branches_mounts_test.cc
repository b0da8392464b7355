#include <gtest/gtest.h>
#include <sys/mount.h>

#include <string>
#include <vector>

#include "expect_error.h"
#include "layerkit/unionmount/open_branches.h"
#include "private_mounts.h"
#include "run_command.h"
#include "temp_dir.h"
#include "union_fixture.h"

namespace layerkit {
namespace {

using testing::expect_error;
using testing::ScratchMount;
using testing::TempDir;

using OpenBranchesMountsTest = testing::PrivateMountsTest;

BranchText text_of(const std::string& text) {
  std::vector<std::string> warnings;
  return parse_branch(text, warnings);
}

/// A mount that goes with the test.
class TestMount {
 public:
  TestMount(const std::string& source, std::string target, const char* type, unsigned long flags)
      : target_(std::move(target)) {
    if (::mount(source.c_str(), target_.c_str(), type, flags, nullptr) < 0)
      fail_errno(errno, "mounting for the test");
  }
  TestMount(const TestMount&) = delete;
  TestMount& operator=(const TestMount&) = delete;
  ~TestMount() { ::umount2(target_.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW); }

 private:
  std::string target_;
};

TEST_F(OpenBranchesMountsTest, WhatIsMountedInABranchMayBeABranch) {
  const TempDir dir;
  make_dir_at(dir.fd(), "a", 0755);
  make_dir_at(dir.fd(), "a/mnt", 0755);
  const TestMount inner("tmpfs", dir.path("a/mnt"), "tmpfs", 0);
  make_dir_at(AT_FDCWD, dir.path("a/mnt/top"), 0755);
  check_branches(open_branches({text_of(dir.path("a/mnt/top")), text_of(dir.path("a"))}, false));
}

TEST_F(OpenBranchesMountsTest, ADirectoryBoundElsewhereIsTheSame) {
  const TempDir dir;
  for (const char* const name : {"a", "a/sub", "b"})
    make_dir_at(dir.fd(), name, 0755);
  const TestMount bound(dir.path("a"), dir.path("b"), nullptr, MS_BIND);
  expect_error(
      Errc::Invalid, "branch 1 ('" + dir.path("b") + "') is the same directory as branch 0", [&] {
        check_branches(open_branches({text_of(dir.path("a")), text_of(dir.path("b"))}, true));
      });
  expect_error(Errc::Invalid, "branch 1 ('" + dir.path("b/sub") + "') lies in branch 0", [&] {
    check_branches(open_branches({text_of(dir.path("a")), text_of(dir.path("b/sub"))}, true));
  });
}

TEST_F(OpenBranchesMountsTest, ADirectoryBoundIntoItselfDoesNotLieInItself) {
  const TempDir dir;
  for (const char* const name : {"a", "a/sub", "b"})
    make_dir_at(dir.fd(), name, 0755);
  const TestMount bound(dir.path("a"), dir.path("a/sub"), nullptr, MS_BIND);
  check_branches(open_branches({text_of(dir.path("a/sub")), text_of(dir.path("b"))}, true));
}

TEST_F(OpenBranchesMountsTest, AReadOnlyMountCannotBeWritten) {
  const ScratchMount scratch;
  ASSERT_EQ(::mount(nullptr, scratch.path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0);
  const std::string message = "opening the branch '" + scratch.path() +
                              "': the branch is writable, but its file system is read-only";
  expect_error(Errc::Invalid, message, [&] { open_branches({text_of(scratch.path())}, false); });
  expect_error(Errc::Invalid, message,
               [&] { open_branches({text_of(scratch.path() + "=rw")}, true); });
  EXPECT_EQ(open_branches({text_of(scratch.path())}, true).at(0).access, BranchAccess::ReadOnly);
}

TEST_F(OpenBranchesMountsTest, ASquashfsIsReallyReadOnly) {
  const TempDir dir;
  for (const char* const name : {"content", "mnt"})
    make_dir_at(dir.fd(), name, 0755);
  testing::put(dir.path("content/file"), "x");
  if (!testing::has_command("mksquashfs")) GTEST_SKIP() << "needs mksquashfs";
  const testing::CommandResult made = testing::run_command(
      "mksquashfs " + dir.path("content") + " " + dir.path("image") + " -quiet -no-progress");
  ASSERT_EQ(made.exit_code, 0) << made.output;
  const testing::CommandResult mounted = testing::run_command(
      "mount -t squashfs -o loop,ro " + dir.path("image") + " " + dir.path("mnt"));
  if (mounted.exit_code != 0) GTEST_SKIP() << "cannot mount a squashfs: " << mounted.output;
  // By place it would be rw.
  EXPECT_EQ(open_branches({text_of(dir.path("mnt"))}, false).at(0).access,
            BranchAccess::RealReadOnly);
  EXPECT_EQ(open_branches({text_of(dir.path("mnt") + "=ro")}, false).at(0).access,
            BranchAccess::ReadOnly);
  EXPECT_EQ(::umount2(dir.path("mnt").c_str(), 0), 0);
}

}  // namespace
}  // namespace layerkit
