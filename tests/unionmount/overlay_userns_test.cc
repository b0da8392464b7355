#include <fcntl.h>
#include <gtest/gtest.h>

#include "expect_error.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/unionmount/mounter.h"
#include "union_fixture.h"
#include "user_namespace.h"

namespace layerkit {
namespace {

using testing::contents_of;
using testing::expect_error;
using testing::in_user_namespace;
using testing::make_branch;
using testing::put;
using testing::tree_of;
using testing::TreeText;

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
