#include "layerkit/unionmount/detached_mount.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <optional>

#include "expect_error.h"
#include "layerkit/base/file.h"
#include "layerkit/unionmount/mounter.h"
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

/// A union of two branches with one file, "file".
DetachedMount small_union(const ScratchMount& scratch) {
  UnionSpec spec;
  spec.branches.push_back(make_branch(scratch.path("a")));
  spec.branches.push_back(make_branch(scratch.path("b")));
  put(scratch.path("b/file"), "b");
  return make_overlay_mounter()->mount(spec);
}

Fd make_target(const std::string& path) {
  make_dir_at(AT_FDCWD, path, 0755);
  return open_at(AT_FDCWD, path, O_PATH | O_DIRECTORY);
}

class DetachedMountTest : public PrivateMountsTest {};

TEST_F(DetachedMountTest, CanBeReadBeforeItIsAttached) {
  const ScratchMount scratch;
  const DetachedMount mount = small_union(scratch);
  EXPECT_EQ(contents_of(mount.fd(), "file"), "b");
}

TEST_F(DetachedMountTest, IsGoneWithItsDescriptor) {
  const ScratchMount scratch;
  std::optional<DetachedMount> mount = small_union(scratch);
  const FileSystemWatch watch(fmt::format("/proc/self/fd/{}/file", mount->fd()));
  EXPECT_FALSE(watch.is_gone());
  mount.reset();
  EXPECT_TRUE(watch.is_gone());
}

TEST_F(DetachedMountTest, StaysOnceAttached) {
  const ScratchMount scratch;
  const std::string place = scratch.path("odd, na:me\\\nhere");
  const Fd target = make_target(place);
  small_union(scratch).attach(target.get(), place);
  EXPECT_TRUE(is_mount_point(place));
  EXPECT_EQ(contents_of(AT_FDCWD, place + "/file"), "b");
  EXPECT_TRUE(unmount(place));
  EXPECT_FALSE(is_mount_point(place));
  EXPECT_FALSE(stat_at(AT_FDCWD, place + "/file"));
}

TEST_F(DetachedMountTest, NamesTheTargetThatRefusesIt) {
  const ScratchMount scratch;
  put(scratch.path("a\nfile"), "");
  const Fd file = open_at(AT_FDCWD, scratch.path("a\nfile"), O_PATH);
  DetachedMount mount = small_union(scratch);
  expect_error(Errc::Io, "attaching a mount at 'a\\nfile': ", [&] {
    std::move(mount).attach(file.get(), "a\nfile");
  });
  EXPECT_EQ(contents_of(mount.fd(), "file"), "b");  // NOLINT(bugprone-use-after-move): it threw
}

TEST_F(DetachedMountTest, CanBeGivenAway) {
  const ScratchMount scratch;
  const Fd mount = small_union(scratch).release();
  EXPECT_EQ(contents_of(mount.get(), "file"), "b");
}

TEST_F(DetachedMountTest, UnmountSaysWhenNothingIsThere) {
  const ScratchMount scratch;
  make_target(scratch.path("plain"));
  EXPECT_FALSE(unmount(scratch.path("plain")));
  EXPECT_FALSE(unmount(scratch.path("absent")));
  EXPECT_FALSE(unmount(scratch.path("plain"), UnmountMode::Lazy));
}

TEST_F(DetachedMountTest, UnmountFollowsNoSymlink) {
  const ScratchMount scratch;
  const std::string place = scratch.path("place");
  const Fd target = make_target(place);
  small_union(scratch).attach(target.get(), place);
  make_symlink_at("place", AT_FDCWD, scratch.path("link"));
  for (const char* name : {"link", "link/", "link//"}) {
    EXPECT_FALSE(is_mount_point(scratch.path(name))) << name;
    EXPECT_FALSE(unmount(scratch.path(name))) << name;
  }
  EXPECT_TRUE(is_mount_point(place));
  EXPECT_TRUE(unmount(place + "/"));
}

TEST_F(DetachedMountTest, LazyUnmountTakesABusyMountAway) {
  const ScratchMount scratch;
  const std::string place = scratch.path("place");
  const Fd target = make_target(place);
  small_union(scratch).attach(target.get(), place);
  const Fd user = open_at(AT_FDCWD, place + "/file", O_RDONLY);
  expect_error(Errc::Busy, "unmounting", [&place] { unmount(place); });
  EXPECT_TRUE(unmount(place, UnmountMode::Lazy));
  EXPECT_FALSE(is_mount_point(place));
}

TEST_F(DetachedMountTest, RootOfTheNamespaceIsAMountPoint) {
  EXPECT_TRUE(is_mount_point("/"));
  EXPECT_TRUE(is_mount_point("/proc"));
  EXPECT_FALSE(is_mount_point("/proc/self"));
  EXPECT_FALSE(is_mount_point("/nonexistent/at all"));
}

}  // namespace
}  // namespace layerkit
