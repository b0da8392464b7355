#include "layerkit/unionmount/overlay_settings.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <new>

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
using testing::make_branch;
using testing::PrivateMountsTest;
using testing::put;
using testing::ScratchMount;
using testing::tree_of;
using testing::TreeText;

constexpr char kOpaque[] = "overlay.opaque";
constexpr char kRedirect[] = "trusted.overlay.redirect";
constexpr char kMetacopy[] = "trusted.overlay.metacopy";

/// What the settings do on this kernel, by both interfaces. A setting that a kernel lacks is not
/// the test's matter.
class OverlaySettingsTest : public PrivateMountsTest,
                            public ::testing::WithParamInterface<OverlayInterface> {
 protected:
  void SetUp() override {
    PrivateMountsTest::SetUp();
    if (IsSkipped()) return;
    if (GetParam() == OverlayInterface::Fsconfig &&
        probe_overlay_interface() != OverlayInterface::Fsconfig)
      GTEST_SKIP() << "fsconfig(2) of this kernel takes no overlay branches";
  }

  /// An upper over a lower with one file in a directory.
  UnionSpec two_branches(const OverlaySettings& settings) {
    UnionSpec spec;
    spec.branches.push_back(make_branch(scratch_.path("upper"), BranchAccess::ReadWrite));
    spec.branches.push_back(make_branch(scratch_.path("lower")));
    make_dir_at(AT_FDCWD, scratch_.path("work"), 0700);
    spec.work = open_at(AT_FDCWD, scratch_.path("work"), O_PATH | O_DIRECTORY);
    make_dir_at(AT_FDCWD, scratch_.path("lower/dir"), 0755);
    put(scratch_.path("lower/dir/file"), "lower");
    spec.overlay = settings;
    return spec;
  }

  /// Mounts it, or skips the test where the kernel does not know what is set.
  Fd mount_or_skip(const UnionSpec& spec) {
    try {
      return open_dir_at(make_overlay_mounter(GetParam())->mount(spec).fd(), ".");
    } catch (const Error& error) {
      if (error.code() != Errc::Unsupported) throw;
      skip_reason_ = error.message();
      return {};
    }
  }

  std::optional<std::string> upper_xattr(const std::string& path, const std::string& key) const {
    return read_xattr_at(AT_FDCWD, scratch_.path("upper/" + path), key);
  }

  const ScratchMount scratch_;
  std::string skip_reason_;
};

#define SKIP_IF_UNSUPPORTED(mount) \
  if (!(mount)) GTEST_SKIP() << skip_reason_

TEST_P(OverlaySettingsTest, ByDefaultALowerDirectoryCannotBeRenamed) {
  const Fd root = mount_or_skip(two_branches({}));
  ASSERT_TRUE(root) << skip_reason_;
  EXPECT_EQ(::renameat(root.get(), "dir", root.get(), "new"), -1);
  EXPECT_EQ(errno, EXDEV);
}

TEST_P(OverlaySettingsTest, ByDefaultARedirectIsNotFollowed) {
  const UnionSpec spec = two_branches({});
  make_dir_at(AT_FDCWD, scratch_.path("upper/other"), 0755);
  set_xattr_at(AT_FDCWD, scratch_.path("upper/other"), kRedirect, "dir");
  const Fd root = mount_or_skip(spec);
  ASSERT_TRUE(root) << skip_reason_;
  expect_error(Errc::Io, "Operation not permitted", [&] { open_dir_at(root.get(), "other"); });
}

TEST_P(OverlaySettingsTest, RedirectsAreWrittenAndFollowed) {
  const Fd root = mount_or_skip(two_branches({.redirect_dir = OverlayRedirect::On}));
  SKIP_IF_UNSUPPORTED(root);
  rename_at(root.get(), "dir", root.get(), "new");
  EXPECT_EQ(contents_of(root.get(), "new/file"), "lower");
  EXPECT_EQ(upper_xattr("new", kRedirect), "dir");
}

TEST_P(OverlaySettingsTest, MetacopyCopiesNoContentsForAChangeOfMode) {
  const Fd root = mount_or_skip(two_branches({.metacopy = true}));
  SKIP_IF_UNSUPPORTED(root);
  ASSERT_EQ(::fchmodat(root.get(), "dir/file", 0600, 0), 0);
  EXPECT_TRUE(upper_xattr("dir/file", kMetacopy));
  EXPECT_EQ(contents_of(root.get(), "dir/file"), "lower");
}

TEST_P(OverlaySettingsTest, ByDefaultAnUpperFileHasItsContents) {
  const Fd root = mount_or_skip(two_branches({}));
  ASSERT_TRUE(root) << skip_reason_;
  ASSERT_EQ(::fchmodat(root.get(), "dir/file", 0600, 0), 0);
  EXPECT_FALSE(upper_xattr("dir/file", kMetacopy));
  EXPECT_EQ(contents_of(AT_FDCWD, scratch_.path("upper/dir/file")), "lower");
}

TEST_P(OverlaySettingsTest, TheIndexKeepsHardLinksTogether) {
  for (const bool index : {false, true}) {
    const ScratchMount scratch;
    UnionSpec spec;
    spec.branches.push_back(make_branch(scratch.path("upper"), BranchAccess::ReadWrite));
    spec.branches.push_back(make_branch(scratch.path("lower")));
    make_dir_at(AT_FDCWD, scratch.path("work"), 0700);
    spec.work = open_at(AT_FDCWD, scratch.path("work"), O_PATH | O_DIRECTORY);
    put(scratch.path("lower/a"), "old");
    ASSERT_EQ(::link(scratch.path("lower/a").c_str(), scratch.path("lower/b").c_str()), 0);
    spec.overlay.index = index;
    const Fd root = mount_or_skip(spec);
    SKIP_IF_UNSUPPORTED(root);
    write_file_at(root.get(), "a", "new", 0644);
    EXPECT_EQ(contents_of(root.get(), "b"), index ? "new" : "old");
    EXPECT_EQ(stat_at(AT_FDCWD, scratch.path("work/index")).has_value(), index);
  }
}

TEST_P(OverlaySettingsTest, OnlyAnExportedUnionHasFileHandles) {
  const auto error_of_handle = [](int root) {
    alignas(file_handle) std::array<char, sizeof(file_handle) + MAX_HANDLE_SZ> space{};
    auto* const handle = new (space.data()) file_handle{};
    handle->handle_bytes = MAX_HANDLE_SZ;
    int mount = 0;
    return ::name_to_handle_at(root, "dir/file", handle, &mount, 0) == 0 ? 0 : errno;
  };
  UnionSpec spec = two_branches({});
  EXPECT_EQ(error_of_handle(mount_or_skip(spec).get()), EOPNOTSUPP);
  spec.overlay = {.index = true, .nfs_export = true};
  const Fd root = mount_or_skip(spec);
  SKIP_IF_UNSUPPORTED(root);
  EXPECT_EQ(error_of_handle(root.get()), 0);
}

TEST_P(OverlaySettingsTest, XinoGivesEveryFileTheDeviceOfTheUnion) {
  const ScratchMount other;
  for (const auto xino : {OverlayXino::Off, OverlayXino::On}) {
    UnionSpec spec;
    for (const ScratchMount* place : {&scratch_, &other})
      spec.branches.push_back(make_branch(
          place->path(fmt::format("branch{}", xino == OverlayXino::On)), BranchAccess::ReadOnly));
    put(other.path(fmt::format("branch{}/file", xino == OverlayXino::On)), "x");
    spec.overlay.xino = xino;
    const Fd root = mount_or_skip(spec);
    SKIP_IF_UNSUPPORTED(root);
    const bool is_same = stat_at(root.get(), "file")->dev == stat_fd(root.get()).dev;
    EXPECT_EQ(is_same, xino == OverlayXino::On);
  }
}

TEST_P(OverlaySettingsTest, AUuidIsKeptInTheUpperOnlyWhereItIsAskedFor) {
  constexpr char kUuid[] = "trusted.overlay.uuid";
  UnionSpec spec = two_branches({.uuid = OverlayUuid::Null});
  SKIP_IF_UNSUPPORTED(mount_or_skip(spec));
  EXPECT_FALSE(upper_xattr("", kUuid));
  spec.overlay.uuid = OverlayUuid::On;
  const Fd root = mount_or_skip(spec);
  SKIP_IF_UNSUPPORTED(root);
  EXPECT_TRUE(upper_xattr("", kUuid));
}

TEST_P(OverlaySettingsTest, UserXattrsMarkOpaqueDirectories) {
  const Fd root = mount_or_skip(two_branches({.user_xattrs = true}));
  SKIP_IF_UNSUPPORTED(root);
  if (!testing::tmpfs_keeps_user_xattrs()) GTEST_SKIP() << "tmpfs keeps no user xattrs";
  remove_tree_at(root.get(), "dir");
  make_dir_at(root.get(), "dir", 0755);
  EXPECT_EQ(upper_xattr("dir", std::string("user.") + kOpaque), "y");
  EXPECT_FALSE(upper_xattr("dir", std::string("trusted.") + kOpaque));
}

/// A branch with the file "name" whose contents are the data directory's "blob", which is no name
/// of the union.
UnionSpec branch_over_data(const ScratchMount& scratch) {
  UnionSpec spec;
  spec.branches.push_back(make_branch(scratch.path("names")));
  spec.data_directories.push_back(make_branch(scratch.path("data")).directory);
  put(scratch.path("data/blob"), "contents");
  put(scratch.path("names/name"), "");
  EXPECT_EQ(::truncate(scratch.path("names/name").c_str(), 8), 0);
  set_xattr_at(AT_FDCWD, scratch.path("names/name"), kMetacopy, "");
  set_xattr_at(AT_FDCWD, scratch.path("names/name"), kRedirect, "/blob");
  return spec;
}

TEST_P(OverlaySettingsTest, FilesOfADataDirectoryAreSeenByTheNamesOfABranch) {
  const Fd root = mount_or_skip(branch_over_data(scratch_));
  SKIP_IF_UNSUPPORTED(root);
  EXPECT_EQ(tree_of(root.get()), (TreeText{{"name", "contents"}}));
}

TEST_P(OverlaySettingsTest, SaysThatTheKernelIsTooOldForDirectoriesOfData) {
  if (!is_older_than_data_directories()) GTEST_SKIP() << "this kernel takes directories of data";
  expect_error(Errc::Unsupported,
               "mounting a union of 1 branches: this kernel's overlayfs takes no directories of "
               "data (Linux 6.5 and newer do)",
               [&] { make_overlay_mounter(GetParam())->mount(branch_over_data(scratch_)); });
}

class OverlayRefusedTest : public PrivateMountsTest {};

TEST_F(OverlayRefusedTest, DirectoriesOfDataMayNeedMetacopy) {
  const ScratchMount scratch;
  const UnionSpec spec = branch_over_data(scratch);
  const OverlayPlan plan = plan_overlay(spec, OverlayXattrs::Trusted);
  expect_error(Errc::Unsupported,
               "this kernel's overlayfs takes directories of data only with metacopy", [&] {
                 fail_overlay_refused(plan, EINVAL,
                                      "overlayfs: lower data-only dirs require metacopy support.");
               });
}

TEST_P(OverlaySettingsTest, VerityMayRequireADigest) {
  UnionSpec spec = branch_over_data(scratch_);
  spec.overlay.verity = OverlayVerity::On;
  const Fd lenient = mount_or_skip(spec);
  SKIP_IF_UNSUPPORTED(lenient);
  EXPECT_EQ(contents_of(lenient.get(), "name"), "contents");
  spec.overlay.verity = OverlayVerity::Require;
  const Fd strict = mount_or_skip(spec);
  SKIP_IF_UNSUPPORTED(strict);
  expect_error(Errc::Io, "Input/output error", [&] { contents_of(strict.get(), "name"); });
}

/// A user namespace whose IDs from 0 are `first` and following.
class MappedNamespace {
 public:
  explicit MappedNamespace(unsigned first) {
    const pid_t child = static_cast<pid_t>(
        ::syscall(SYS_clone, static_cast<unsigned long>(CLONE_NEWUSER | SIGCHLD), 0, 0, 0, 0));
    if (child < 0) fail_errno(errno, "making a user namespace");
    if (child == 0) {
      ::pause();
      ::_exit(0);
    }
    const std::string proc = fmt::format("/proc/{}/", child);
    const std::string map = fmt::format("0 {} 65536", first);
    for (const char* name : {"uid_map", "gid_map"}) {
      const Fd file = open_at(AT_FDCWD, proc + name, O_WRONLY);
      write_all(file.get(), map, name);
    }
    fd_ = open_at(AT_FDCWD, proc + "ns/user", O_RDONLY);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }
  Fd take() { return std::move(fd_); }

 private:
  Fd fd_;
};

TEST_P(OverlaySettingsTest, ALowerBranchMayHaveItsOwnersMapped) {
  UnionSpec spec = two_branches({});
  ASSERT_EQ(::chown(scratch_.path("lower/dir/file").c_str(), 5, 7), 0);
  spec.branches[1].id_mapping = MappedNamespace(100000).take();
  const Fd root = mount_or_skip(spec);
  SKIP_IF_UNSUPPORTED(root);
  const auto shown = stat_at(root.get(), "dir/file");
  EXPECT_EQ(shown->uid, 100005U);
  EXPECT_EQ(shown->gid, 100007U);
  write_file_at(root.get(), "dir/file", "new", 0644);
  EXPECT_EQ(stat_at(AT_FDCWD, scratch_.path("upper/dir/file"))->uid, 100005U);
  EXPECT_EQ(stat_at(AT_FDCWD, scratch_.path("lower/dir/file"))->uid, 5U);
}

TEST_P(OverlaySettingsTest, TheOnlyBranchMayHaveItsOwnersMapped) {
  UnionSpec spec;
  spec.branches.push_back(make_branch(scratch_.path("only")));
  put(scratch_.path("only/file"), "x");
  spec.branches[0].id_mapping = MappedNamespace(100000).take();
  const Fd root = mount_or_skip(spec);
  SKIP_IF_UNSUPPORTED(root);
  EXPECT_EQ(stat_at(root.get(), "file")->uid, 100000U);
  expect_error(Errc::Io, "Read-only file system",
               [&] { write_file_at(root.get(), "new", "n", 0644); });
}

TEST_P(OverlaySettingsTest, SaysThatItIsNoUserNamespace) {
  UnionSpec spec = two_branches({});
  spec.branches[1].id_mapping = open_at(AT_FDCWD, "/proc/self/ns/mnt", O_RDONLY);
  expect_error(Errc::Unsupported,
               "mounting a union of 2 branches: preparing branch 1: mapping the owners of files: "
               "the kernel or the file system cannot",
               [&] { make_overlay_mounter(GetParam())->mount(spec); });
}

TEST_P(OverlaySettingsTest, NamesAnOptionThatTheKernelDoesNotKnow) {
  const UnionSpec spec = two_branches({});
  OverlayPlan plan = plan_overlay(spec, OverlayXattrs::Trusted);
  const auto mount = [&] {
    return GetParam() == OverlayInterface::MountCall
               ? mount_overlay_by_mount_call(plan)
               : mount_overlay_by_fsconfig(plan, try_branch_passing().value());
  };
  plan.options.push_back({"later", "yes", OptionNeed::WhereKnown});
  EXPECT_TRUE(mount());
  plan.options.push_back({"later", "on"});
  expect_error(Errc::Unsupported, "this kernel's overlayfs does not take the option later=on",
               mount);
  plan.options = {{"xino", "sometimes"}};
  expect_error(Errc::Unsupported, "this kernel's overlayfs does not take the option xino=sometimes",
               mount);
}

INSTANTIATE_TEST_SUITE_P(Interfaces,
                         OverlaySettingsTest,
                         ::testing::Values(OverlayInterface::Fsconfig, OverlayInterface::MountCall),
                         [](const auto& instance) {
                           return instance.param == OverlayInterface::Fsconfig ? "Fsconfig"
                                                                               : "MountCall";
                         });

}  // namespace
}  // namespace layerkit
