#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <functional>

#include "expect_error.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/unionmount/mounter.h"
#include "union_fixture.h"

namespace layerkit {
namespace {

using testing::contents_of;
using testing::expect_error;
using testing::make_branch;
using testing::put;
using testing::tree_of;
using testing::TreeText;

constexpr int kCannot = 77;
constexpr unsigned kNobody = 65534;

/// Becomes root of a new user namespace that maps one unprivileged user, with a tmpfs on /tmp.
/// False where that is not allowed.
bool enter_user_namespace() {
  if (::geteuid() == 0) {
    if (::setgroups(0, nullptr) < 0 || ::setresgid(kNobody, kNobody, kNobody) < 0 ||
        ::setresuid(kNobody, kNobody, kNobody) < 0)
      return false;
    ::prctl(PR_SET_DUMPABLE, 1);  // else /proc/self belongs to root
  }
  const unsigned uid = ::geteuid();
  const unsigned gid = ::getegid();
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0) return false;
  write_file_at(AT_FDCWD, "/proc/self/setgroups", "deny", 0);
  write_file_at(AT_FDCWD, "/proc/self/uid_map", fmt::format("0 {} 1", uid), 0);
  write_file_at(AT_FDCWD, "/proc/self/gid_map", fmt::format("0 {} 1", gid), 0);
  return ::mount("tmpfs", "/tmp", "tmpfs", 0, nullptr) == 0;
}

/// Runs `work` there, in a child; its failed expectations fail this test.
void in_user_namespace(const std::function<void()>& work) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    int code = kCannot;
    try {
      if (enter_user_namespace()) {
        work();
        code = ::testing::Test::HasFailure() ? 1 : 0;
      }
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
      code = 1;
    }
    std::fflush(nullptr);
    ::_exit(code);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status)) << "wait status " << status;
  if (WEXITSTATUS(status) == kCannot) GTEST_SKIP() << "needs an unprivileged user namespace";
  EXPECT_EQ(WEXITSTATUS(status), 0) << "see the output above";
}

UnionSpec branches_in_tmp() {
  UnionSpec spec;
  spec.branches.push_back(make_branch("/tmp/upper", BranchAccess::ReadWrite));
  spec.branches.push_back(make_branch("/tmp/lo,w:er"));
  make_dir_at(AT_FDCWD, "/tmp/work", 0700);
  spec.work = open_at(AT_FDCWD, "/tmp/work", O_PATH | O_DIRECTORY);
  make_dir_at(AT_FDCWD, "/tmp/lo,w:er/dir", 0755);
  put("/tmp/lo,w:er/dir/old", "lower");
  return spec;
}

class OverlayUsernsTest : public ::testing::TestWithParam<OverlayInterface> {};

TEST_P(OverlayUsernsTest, RemovesAndRemakesAMergedDirectory) {
  in_user_namespace([] {
    const DetachedMount mount = make_overlay_mounter(GetParam())->mount(branches_in_tmp());
    const Fd root = open_dir_at(mount.fd(), ".");
    write_file_at(root.get(), "dir/new", "upper", 0644);
    EXPECT_EQ(tree_of(mount.fd()),
              (TreeText{{"dir/", ""}, {"dir/old", "lower"}, {"dir/new", "upper"}}));
    // Without userxattr both fail with EIO: overlay cannot mark the new directory opaque.
    remove_tree_at(root.get(), "dir");
    make_dir_at(root.get(), "dir", 0755);
    EXPECT_EQ(tree_of(mount.fd()), (TreeText{{"dir/", ""}}));
    EXPECT_EQ(read_xattr_at(AT_FDCWD, "/tmp/upper/dir", "user.overlay.opaque"), "y");
  });
}

TEST_P(OverlayUsernsTest, AttachesInItsOwnNamespace) {
  in_user_namespace([] {
    UnionSpec spec = branches_in_tmp();
    spec.expendable_upper = true;
    make_dir_at(AT_FDCWD, "/tmp/merged", 0755);
    const Fd target = open_at(AT_FDCWD, "/tmp/merged", O_PATH | O_DIRECTORY);
    make_overlay_mounter(GetParam())->mount(spec).attach(target.get(), "/tmp/merged");
    EXPECT_EQ(contents_of(AT_FDCWD, "/tmp/merged/dir/old"), "lower");
    EXPECT_TRUE(unmount("/tmp/merged"));
  });
}

TEST_P(OverlayUsernsTest, BindsASingleBranchReadOnly) {
  in_user_namespace([] {
    UnionSpec spec = branches_in_tmp();
    spec.branches.erase(spec.branches.begin());
    const DetachedMount mount = make_overlay_mounter(GetParam())->mount(spec);
    EXPECT_EQ(contents_of(mount.fd(), "dir/old"), "lower");
    expect_error(Errc::Io, "Read-only file system",
                 [&mount] { make_dir_at(mount.fd(), "new", 0755); });
  });
}

INSTANTIATE_TEST_SUITE_P(Interfaces,
                         OverlayUsernsTest,
                         ::testing::Values(OverlayInterface::Fsconfig, OverlayInterface::MountCall),
                         [](const auto& instance) {
                           return instance.param == OverlayInterface::Fsconfig ? "Fsconfig"
                                                                               : "MountCall";
                         });

}  // namespace
}  // namespace layerkit
