#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "expect_error.h"
#include "layerkit/base/file.h"
#include "layerkit/unionmount/mounter.h"
#include "overlay_mount.h"
#include "private_mounts.h"
#include "union_fixture.h"

namespace layerkit {
namespace {

using testing::contents_of;
using testing::expect_error;
using testing::FileSystemWatch;
using testing::make_branch;
using testing::PrivateMountsTest;
using testing::put;
using testing::ScratchMount;
using testing::tree_of;
using testing::TreeText;

/// upper over two lowers: a replaced file, a whiteout, an opaque directory, names of all kinds.
UnionSpec three_branches(const ScratchMount& scratch) {
  UnionSpec spec;
  spec.branches.push_back(make_branch(scratch.path("upper,:\\"), BranchAccess::ReadWrite));
  spec.branches.push_back(make_branch(scratch.path("mid,upperdir=x")));
  spec.branches.push_back(make_branch(scratch.path("base:with\ttab\nand newline")));
  make_dir_at(AT_FDCWD, scratch.path("work"), 0700);
  spec.work = open_at(AT_FDCWD, scratch.path("work"), O_PATH | O_DIRECTORY);

  const std::string base = scratch.path("base:with\ttab\nand newline/");
  put(base + "kept", "base");
  put(base + "replaced", "base");
  put(base + "deleted", "base");
  make_dir_at(AT_FDCWD, base + "opaque", 0755);
  put(base + "opaque/hidden", "base");
  const std::string mid = scratch.path("mid,upperdir=x/");
  put(mid + "replaced", "mid");
  EXPECT_EQ(::mknod((mid + "deleted").c_str(), S_IFCHR | 0600, makedev(0, 0)), 0);
  make_dir_at(AT_FDCWD, mid + "opaque", 0755);
  set_xattr_at(AT_FDCWD, mid + "opaque", "trusted.overlay.opaque", "y");
  put(mid + "opaque/shown", "mid");
  return spec;
}

const TreeText& merged() {
  static const TreeText tree = {
      {"kept", "base"}, {"replaced", "mid"}, {"opaque/", ""}, {"opaque/shown", "mid"}};
  return tree;
}

std::vector<Fd> open_lowers(const ScratchMount& scratch, std::size_t count) {
  std::vector<Fd> lowers;
  for (std::size_t i = 0; i < count; ++i)
    lowers.push_back(make_branch(scratch.path(fmt::format("lower{}", i))).directory);
  return lowers;
}

class OverlayMounterTest : public PrivateMountsTest {};

class OverlayInterfaceTest : public PrivateMountsTest,
                             public ::testing::WithParamInterface<OverlayInterface> {
 protected:
  void SetUp() override {
    PrivateMountsTest::SetUp();
    if (IsSkipped()) return;
    if (GetParam() == OverlayInterface::Fsconfig &&
        probe_overlay_interface() != OverlayInterface::Fsconfig)
      GTEST_SKIP() << "fsconfig(2) of this kernel takes no overlay branches";
  }
  std::unique_ptr<Mounter> mounter_ = make_overlay_mounter(GetParam());
};

TEST_P(OverlayInterfaceTest, ShowsTheMergedTreeWhateverTheNames) {
  const ScratchMount scratch;
  const DetachedMount mount = mounter_->mount(three_branches(scratch));
  EXPECT_EQ(tree_of(mount.fd()), merged());
}

TEST_P(OverlayInterfaceTest, WritesGoToTheTop) {
  const ScratchMount scratch;
  const DetachedMount mount = mounter_->mount(three_branches(scratch));
  const Fd root = open_dir_at(mount.fd(), ".");
  write_file_at(root.get(), "new", "n", 0644);
  unlink_at(root.get(), "kept");
  EXPECT_EQ(contents_of(AT_FDCWD, scratch.path("upper,:\\/new")), "n");
  EXPECT_EQ(stat_at(AT_FDCWD, scratch.path("upper,:\\/kept"))->type, FileType::CharDevice);
  EXPECT_EQ(contents_of(AT_FDCWD, scratch.path("base:with\ttab\nand newline/kept")), "base");
}

TEST_P(OverlayInterfaceTest, ReadOnlyForbidsEveryWrite) {
  const ScratchMount scratch;
  UnionSpec spec = three_branches(scratch);
  spec.read_only = true;
  const DetachedMount mount = mounter_->mount(spec);
  EXPECT_EQ(tree_of(mount.fd()), merged());
  expect_error(Errc::Io, "Read-only file system",
               [&mount] { write_file_at(mount.fd(), "new", "n", 0644); });
}

TEST_P(OverlayInterfaceTest, SetsMountAttributes) {
  const ScratchMount scratch;
  UnionSpec spec = three_branches(scratch);
  struct statvfs info = {};
  const DetachedMount plain = mounter_->mount(spec);
  ASSERT_EQ(::fstatvfs(open_dir_at(plain.fd(), ".").get(), &info), 0);
  EXPECT_EQ(info.f_flag & (ST_NOSUID | ST_NODEV | ST_RDONLY), 0UL);

  spec.branches.erase(spec.branches.begin());
  spec.no_suid = true;
  spec.no_dev = true;
  const DetachedMount strict = mounter_->mount(spec);
  ASSERT_EQ(::fstatvfs(open_dir_at(strict.fd(), ".").get(), &info), 0);
  const unsigned long all = ST_NOSUID | ST_NODEV | ST_RDONLY;
  EXPECT_EQ(info.f_flag & all, all);
}

TEST_P(OverlayInterfaceTest, LeavesNoMountAndNoDirectoryBehind) {
  const ScratchMount scratch;
  const auto mounts = [] { return contents_of(AT_FDCWD, "/proc/self/mountinfo"); };
  const std::string before = mounts();
  const FileSystemWatch branches(scratch.path());
  {
    const DetachedMount mount = mounter_->mount(three_branches(scratch));
    EXPECT_EQ(mounts(), before);
  }
  EXPECT_EQ(mounts(), before);
  EXPECT_TRUE(unmount(scratch.path()));
  EXPECT_TRUE(branches.is_gone());
}

TEST_P(OverlayInterfaceTest, SaysThatTheWorkDirectoryIsOnAnotherFileSystem) {
  const ScratchMount scratch;
  const ScratchMount other;
  UnionSpec spec = three_branches(scratch);
  spec.work = open_at(AT_FDCWD, other.path(), O_PATH | O_DIRECTORY);
  expect_error(Errc::Invalid,
               "mounting a union of 3 branches: the work directory is not on the file system of "
               "branch 0",
               [&] { mounter_->mount(spec); });
}

TEST_P(OverlayInterfaceTest, SaysWhichBranchesAreTheSame) {
  const ScratchMount scratch;
  UnionSpec spec = three_branches(scratch);
  spec.branches.push_back({spec.branches[1].directory.duplicate()});
  expect_error(Errc::Invalid, "branches 1 and 3 are the same directory",
               [&] { mounter_->mount(spec); });
}

TEST_P(OverlayInterfaceTest, NamesTheMissingWorkDirectory) {
  const ScratchMount scratch;
  UnionSpec spec = three_branches(scratch);
  spec.work.reset();
  expect_error(Errc::Invalid,
               "mounting a union of 3 branches: the top branch is writable, but there is no work "
               "directory",
               [&] { mounter_->mount(spec); });
}

TEST_P(OverlayInterfaceTest, Mounts500LowersAndNamesTheLimitAbove) {
  const ScratchMount scratch;
  const std::string long_name(200, 'x');  // far beyond a page of options in all
  UnionSpec spec;
  TreeText all;
  for (int i = 0; i < 500; ++i) {
    const std::string path = scratch.path(fmt::format("{}{}", long_name, i));
    spec.branches.push_back(make_branch(path));
    put(path + fmt::format("/f{}", i), "x");
    put(path + "/shared", std::to_string(i));
    all[fmt::format("f{}", i)] = "x";
  }
  all["shared"] = "0";
  EXPECT_EQ(tree_of(mounter_->mount(spec).fd()), all);

  spec.branches.push_back(make_branch(scratch.path("one more")));
  expect_error(Errc::Limit,
               "mounting a union of 501 branches: the union has 501 read-only branches, overlayfs "
               "takes at most 500",
               [&] { mounter_->mount(spec); });
}

INSTANTIATE_TEST_SUITE_P(Interfaces,
                         OverlayInterfaceTest,
                         ::testing::Values(OverlayInterface::Fsconfig, OverlayInterface::MountCall),
                         [](const auto& instance) {
                           return instance.param == OverlayInterface::Fsconfig ? "Fsconfig"
                                                                               : "MountCall";
                         });

TEST_F(OverlayMounterTest, AutomaticUsesWhatTheProbeFound) {
  const ScratchMount scratch;
  EXPECT_NE(probe_overlay_interface(), OverlayInterface::Automatic);
  EXPECT_EQ(probe_overlay_interface(), probe_overlay_interface());
  const auto mounter = make_overlay_mounter();
  EXPECT_EQ(mounter->name(), "overlay");
  EXPECT_EQ(tree_of(mounter->mount(three_branches(scratch)).fd()), merged());
}

TEST_F(OverlayMounterTest, BranchesMayAlsoBePassedByProcPath) {
  if (probe_overlay_interface() != OverlayInterface::Fsconfig)
    GTEST_SKIP() << "fsconfig(2) of this kernel takes no overlay branches";
  const ScratchMount scratch;
  const UnionSpec spec = three_branches(scratch);
  const OverlayPlan plan = plan_overlay(spec, OverlayXattrs::Trusted);
  EXPECT_EQ(tree_of(mount_overlay_by_fsconfig(plan, BranchPassing::ProcPath).get()), merged());
}

TEST_F(OverlayMounterTest, NamesTheBranchThatTheKernelRefused) {
  if (probe_overlay_interface() != OverlayInterface::Fsconfig)
    GTEST_SKIP() << "fsconfig(2) of this kernel takes no overlay branches";
  const ScratchMount scratch;
  UnionSpec spec = three_branches(scratch);
  put(scratch.path("file"), "");
  spec.branches[2].directory = open_at(AT_FDCWD, scratch.path("file"), O_PATH);
  expect_error(Errc::Io, "mounting a union of 3 branches: setting branch 2",
               [&] { make_overlay_mounter(OverlayInterface::Fsconfig)->mount(spec); });
}

TEST_F(OverlayMounterTest, PassesOnTheKernelsOwnExplanation) {
  const ScratchMount scratch;
  const std::vector<Fd> lowers = open_lowers(scratch, 501);
  OverlayPlan plan;  // made by hand: plan_overlay would not let it through
  for (std::size_t i = 0; i < lowers.size(); ++i)
    plan.lowers.push_back({i, lowers[i].get()});
  const auto passing = try_branch_passing();
  ASSERT_TRUE(passing);
  if (*passing == BranchPassing::MountData)
    GTEST_SKIP() << "fsconfig(2) of this kernel takes no overlay branches";
  expect_error(Errc::Io,
               "setting branch 500 (the kernel says 'overlay: too many lower directories, limit is "
               "500'): Invalid argument",
               [&] { mount_overlay_by_fsconfig(plan, *passing); });
}

TEST_F(OverlayMounterTest, ExpendableUppersAreVolatile) {
  const ScratchMount scratch;
  UnionSpec spec = three_branches(scratch);
  spec.expendable_upper = true;
  const DetachedMount mount = make_overlay_mounter()->mount(spec);
  EXPECT_TRUE(stat_at(AT_FDCWD, scratch.path("work/work/incompat/volatile")));
}

TEST_F(OverlayMounterTest, OneReadOnlyBranchIsBound) {
  const ScratchMount scratch;
  UnionSpec spec;
  spec.branches.push_back(make_branch(scratch.path("only")));
  put(scratch.path("only/file"), "x");
  const DetachedMount mount = make_overlay_mounter()->mount(spec);
  EXPECT_EQ(tree_of(mount.fd()), (TreeText{{"file", "x"}}));
  expect_error(Errc::Io, "Read-only file system",
               [&mount] { write_file_at(mount.fd(), "new", "n", 0644); });
  put(scratch.path("only/file"), "the branch itself stays writable");
}

TEST_F(OverlayMounterTest, OneWritableBranchIsBoundWritable) {
  const ScratchMount scratch;
  UnionSpec spec;
  spec.branches.push_back(make_branch(scratch.path("only"), BranchAccess::ReadWrite));
  write_file_at(make_overlay_mounter()->mount(spec).fd(), "new", "n", 0644);
  EXPECT_EQ(contents_of(AT_FDCWD, scratch.path("only/new")), "n");
  spec.read_only = true;
  const DetachedMount mount = make_overlay_mounter()->mount(spec);
  expect_error(Errc::Io, "Read-only file system",
               [&mount] { write_file_at(mount.fd(), "new", "n", 0644); });
}

TEST_F(OverlayMounterTest, RefusesAUnionOfNothing) {
  expect_error(Errc::Invalid, "mounting a union of 0 branches: there is no branch to write to",
               [] { make_overlay_mounter()->mount(UnionSpec{}); });
}

}  // namespace
}  // namespace layerkit
