// Attributes of branches and settings of the union that only AUFS has.

#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include "union_aufs.h"

namespace layerkit {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the suite's own words

class AufsSettingsTest : public AufsTest {};

TEST_P(AufsSettingsTest, WhiteoutsOfAPlainReadOnlyBranchSayNothing) {
  base().file("x", "shown");
  base().file("d/y", "shown");
  middle().whiteout("x");
  middle().opaque("d");
  mount({.branches = {kWritable, {}, {}}});
  EXPECT_EQ(text_of(at("x")), "shown");
  EXPECT_EQ(names_in(at("d")), Names{"y"});
  EXPECT_EQ(names_in(root()), (Names{"d", "x"})) << "but their names are not shown";
  expect_own_view_only("the branch's whiteouts count for those who mount it with +wh");
}

TEST_P(AufsSettingsTest, ReservedNamesAreRefusedByEveryCall) {
  base().file("f", "");
  base().whiteout("x");
  mount();
  for (const char* reserved : {".wh.x", ".wh.new", ".wh..wh.aufs", ".wh..wh..opq"}) {
    SCOPED_TRACE(reserved);
    const std::string name = at(reserved);
    EXPECT_EQ(tried_open(name, O_RDONLY), "EPERM");
    EXPECT_EQ(tried_open(name, O_WRONLY | O_CREAT), "EPERM");
    EXPECT_EQ(tried(::access(name.c_str(), F_OK)), "EPERM");
    EXPECT_EQ(tried(::mkdir(name.c_str(), 0755)), "EPERM");
    EXPECT_EQ(tried(::mkfifo(name.c_str(), 0600)), "EPERM");
    EXPECT_EQ(tried(::symlink("x", name.c_str())), "EPERM");
    EXPECT_EQ(tried(::link(at("f").c_str(), name.c_str())), "EPERM");
    EXPECT_EQ(tried_rename(at("f"), name), "EPERM");
    EXPECT_EQ(tried(::unlink(name.c_str())), "EPERM");
    EXPECT_EQ(tried(::rmdir(name.c_str())), "EPERM");
  }
  EXPECT_EQ(names_in(root()), Names{"f"});
}

TEST_P(AufsSettingsTest, WhiteoutsCanBeShown) {
  base().file("x", "");
  base().file("y", "");
  middle().whiteout("x");
  mount({.read_only = true, .aufs = {.show_whiteouts = true}});
  EXPECT_EQ(names_in(root()), (Names{".wh.x", "y"}));
  EXPECT_EQ(status_of(at(".wh.x")).st_size, 0);
  expect_own_view_only("others show no whiteouts");
}

TEST_P(AufsSettingsTest, WhiteoutsShareAnInodeUnlessToldNotTo) {
  for (const char* name : {"a", "b", "c", "d"})
    base().file(name, "");
  mount();
  ASSERT_EQ(tried(::unlink(at("a").c_str())), "ok");
  ASSERT_EQ(tried(::unlink(at("b").c_str())), "ok");
  EXPECT_GT(status_of(upper().path(".wh.a")).st_nlink, 1U);
  EXPECT_EQ(status_of(upper().path(".wh.a")).st_ino, status_of(upper().path(".wh.b")).st_ino);
  EXPECT_EQ(status_of(upper().path(".wh.a")).st_mode, S_IFREG | 0444U);
  unmount();
  mount({.branches = {{BranchAccess::ReadWrite, {.no_link_whiteouts = true}}}});
  ASSERT_EQ(tried(::unlink(at("c").c_str())), "ok");
  ASSERT_EQ(tried(::unlink(at("d").c_str())), "ok");
  EXPECT_EQ(status_of(upper().path(".wh.c")).st_nlink, 1U);
  EXPECT_EQ(status_of(upper().path(".wh.d")).st_nlink, 1U);
}

TEST_P(AufsSettingsTest, NewDirectoriesAreOpaqueWhereAskedFor) {
  base().dir("parent");
  mount({.aufs = {.always_opaque = true}});
  ASSERT_EQ(tried(::mkdir(at("parent/new").c_str(), 0755)), "ok");
  EXPECT_TRUE(upper().is_opaque("parent/new"));
  EXPECT_FALSE(upper().is_opaque("parent"));
  EXPECT_EQ(tried_write(at("parent/new/f"), ""), "ok");
  EXPECT_EQ(names_in(at("parent/new")), Names{"f"});
}

TEST_P(AufsSettingsTest, OpeningForReadingCopiesUpWhereAskedFor) {
  base().file("f", "text");
  base().file("d/g", "text");
  BranchSetup lower = kReadOnlyWithWhiteouts;
  lower.attributes.on_open = OnOpen::CopyUpRegular;
  mount({.branches = {kWritable, kReadOnlyWithWhiteouts, lower}});
  EXPECT_EQ(names_in(at("d")), Names{"g"});
  EXPECT_FALSE(upper().has("d"));
  EXPECT_EQ(text_of(at("f")), "text");
  EXPECT_EQ(upper().text("f"), "text");
  EXPECT_TRUE(base().has("f"));
}

TEST_P(AufsSettingsTest, OpeningADirectoryCopiesItUpWhereAskedFor) {
  base().file("d/f", "text");
  BranchSetup lower = kReadOnlyWithWhiteouts;
  lower.attributes.on_open = OnOpen::CopyUpAll;
  mount({.branches = {kWritable, kReadOnlyWithWhiteouts, lower}});
  EXPECT_EQ(names_in(at("d")), Names{"f"});
  EXPECT_TRUE(upper().has("d"));
  EXPECT_FALSE(upper().has("d/f"));
}

TEST_P(AufsSettingsTest, OpeningMovesUpWhereAskedFor) {
  middle().file("f", "text");
  BranchSetup lower = kWritable;
  lower.attributes.on_open = OnOpen::MoveUp;
  mount({.branches = {kWritable, lower, kReadOnlyWithWhiteouts}});
  EXPECT_EQ(text_of(at("f")), "text");
  EXPECT_EQ(places_of("f"), "u");
  EXPECT_EQ(text_of(at("f")), "text");
}

TEST_P(AufsSettingsTest, SpaceIsAddedUpWhereAskedFor) {
  for (const BranchDir* branch : {&upper(), &middle(), &base()})
    ASSERT_EQ(::mount("tmpfs", branch->path().c_str(), "tmpfs", 0, "size=8m,mode=0755"), 0);
  const auto blocks = [&](const AufsSettings& settings) {
    mount(two_writable(settings));
    struct statvfs status {};
    EXPECT_EQ(::statvfs(root().c_str(), &status), 0);
    unmount();
    return status.f_blocks * status.f_frsize >> 20;
  };
  EXPECT_EQ(blocks({}), 8U);
  EXPECT_EQ(blocks({.sum_space = true}), 24U);
  EXPECT_EQ(blocks({.sum_space = true, .sum_writable_only = true}), 16U);
  mount(two_writable());
}

TEST_P(AufsSettingsTest, LowerDirectoriesAreCheckedUnlessToldNotTo) {
  upper().dir("d", 0755);
  base().file("d/f", "text");
  base().dir("d", 0700);
  mount({.aufs = {.top_permission_only = true}});
  as_user({}, [&] { EXPECT_EQ(tried_open(at("d/f"), O_RDONLY), "ok"); });
}

TEST_P(AufsSettingsTest, OwnersAreMappedWhereAskedFor) {
  expect_own_view_only("others show owners as they are");
  for (const char* name : {"root", "other"})
    base().file(name, "text");
  ASSERT_EQ(::chown(base().path("other").c_str(), 500, 600), 0);
  mount({.aufs = {.users = {.ranges = {{.branch = 0, .shown = 1000, .count = 1}}},
                  .groups = {.ranges = {}, .everybody = 2000}}});
  EXPECT_EQ(status_of(at("root")).st_uid, 1000U);
  EXPECT_EQ(status_of(at("root")).st_gid, 2000U);
  EXPECT_EQ(status_of(at("other")).st_uid, OwnerMapping::kOverflow);
  EXPECT_EQ(tried_write(at("new"), ""), "EOVERFLOW") << "made by 0, whom no ID of a branch is";
  EXPECT_EQ(names_in(root()), (Names{"other", "root"}));
  EXPECT_EQ(tried(::chown(at("root").c_str(), 7, 7)), "EOVERFLOW");
  EXPECT_EQ(tried(::chown(at("other").c_str(), 1000, 7)), "ok");
  EXPECT_EQ(status_of(upper().path("other")).st_uid, 0U);
  EXPECT_EQ(status_of(upper().path("other")).st_gid, 2000U);
  EXPECT_EQ(xattr_of(at("root"), "system.posix_acl_access"), "EOPNOTSUPP");
}

TEST_P(AufsSettingsTest, XattrsAndLinkCountsOfDirectoriesCanBeLeftOut) {
  expect_own_view_only("others show them");
  base().file("f", "text");
  base().dir("d/below");
  ASSERT_EQ(tried_set_xattr(base().path("f"), "user.x", "1"), "ok");
  mount({.aufs = {.xattrs = false, .static_links = true}});
  EXPECT_EQ(xattr_of(at("f"), "user.x"), "EOPNOTSUPP");
  EXPECT_EQ(tried_set_xattr(at("f"), "user.y", "1"), "EOPNOTSUPP");
  EXPECT_EQ(::listxattr(at("f").c_str(), nullptr, 0), 0);
  EXPECT_EQ(status_of(at("d")).st_nlink, 1U);
  EXPECT_EQ(tried(::chmod(at("f").c_str(), 0600)), "ok");
  EXPECT_EQ(text_of(at("f")), "text");
}

TEST_P(AufsSettingsTest, WithoutPseudoLinksNamesArePartedByCopyUp) {
  base().file("a", "text");
  base().link("b", "a");
  mount({.aufs = {.pseudo_links = false}});
  ASSERT_EQ(tried_write(at("a"), "TEXT"), "ok");
  remount();
  EXPECT_EQ(text_of(at("a")), "TEXT");
  EXPECT_EQ(text_of(at("b")), "text");
}

TEST_P(AufsSettingsTest, LowerDirectoriesCanBeRenamedWhereAskedFor) {
  expect_own_view_only("what was renamed is written down in files of the union");
  base().file("a/f", "base");
  base().file("a/sub/g", "base");
  upper().file("a/own", "upper");
  mount({.aufs = {.rename_directories = true}});
  ASSERT_EQ(tried_rename(at("a"), at("b")), "ok");
  EXPECT_EQ(names_in(root()), Names{"b"});
  EXPECT_EQ(names_in(at("b")), (Names{"f", "own", "sub"}));
  EXPECT_EQ(text_of(at("b/sub/g")), "base");
  ASSERT_EQ(tried_write(at("b/f"), "CHANGED"), "ok");
  ASSERT_EQ(tried(::mkdir(at("a").c_str(), 0755)), "ok");
  EXPECT_EQ(names_in(at("a")), Names{});
  remount();
  EXPECT_EQ(text_of(at("b/f")), "CHANGED");
  EXPECT_EQ(text_of(at("b/sub/g")), "base");
  EXPECT_EQ(names_in(at("a")), Names{});
}

TEST_P(AufsSettingsTest, RevalidationSeesWhatOthersChange) {
  leave_out_final_check("the lower branch is changed on purpose");
  middle().file("changed", "old");
  middle().file("removed", "old");
  middle().file("d/inside", "old");
  mount({.aufs = {.udba = Udba::Revalidate}});
  EXPECT_EQ(text_of(at("changed")), "old");
  EXPECT_EQ(names_in(at("d")), Names{"inside"});
  EXPECT_FALSE(exists(at("added")));
  middle().file("changed", "new and longer");
  ASSERT_EQ(::unlink(middle().path("removed").c_str()), 0);
  middle().file("added", "new");
  middle().file("d/added", "new");
  upper().file("on-top", "new");
  EXPECT_EQ(text_of(at("changed")), "new and longer");
  EXPECT_EQ(status_of(at("changed")).st_size, 14);
  EXPECT_EQ(tried_open(at("removed"), O_RDONLY), "ENOENT");
  EXPECT_EQ(text_of(at("added")), "new");
  EXPECT_EQ(text_of(at("on-top")), "new");
  EXPECT_EQ(text_of(at("d/added")), "new");
}

TEST_P(AufsSettingsTest, RevalidationCountsTheDirectoriesOfOthers) {
  if (!traits().counts_subdirectories) GTEST_SKIP() << backend().name << " does not count them";
  leave_out_final_check("a lower branch is changed on purpose");
  base().dir("d/a");
  middle().dir("d/b");
  upper().dir("d");
  mount({.aufs = {.udba = Udba::Revalidate}});
  const auto links = [&] { return status_of(at("d")).st_nlink; };
  EXPECT_EQ(links(), 2U + 2);
  EXPECT_EQ(tried_write(at("d/file"), "new"), "ok");
  EXPECT_EQ(links(), 2U + 2);
  middle().dir("d/c");
  upper().dir("d/e");
  EXPECT_EQ(links(), 2U + 4);
  ASSERT_EQ(::rmdir(middle().path("d/b").c_str()), 0);
  EXPECT_EQ(tried(::unlink(at("d/file").c_str())), "ok");
  EXPECT_EQ(links(), 2U + 3);
  upper().whiteout("d/a");
  EXPECT_EQ(links(), 2U + 2) << "a name that hides a directory is no directory";
  ASSERT_EQ(::rename(middle().path("d/c").c_str(), middle().path("d/a").c_str()), 0);
  EXPECT_EQ(links(), 2U + 1);
}

TEST_P(AufsSettingsTest, LinksOutliveTheMount) {
  expect_own_view_only("the names are joined by records of the union");
  base().file("a", "text");
  base().link("b", "a");
  mount();
  ASSERT_EQ(tried_write(at("a"), "TEXT"), "ok");
  EXPECT_EQ(text_of(at("b")), "TEXT");
  if (!traits().numbers_outlast_mounts) return;
  remount();
  EXPECT_EQ(text_of(at("b")), "TEXT");
  EXPECT_EQ(status_of(at("a")).st_ino, status_of(at("b")).st_ino);
  ASSERT_EQ(tried_write(at("b"), "ONCE MORE"), "ok");
  EXPECT_EQ(text_of(at("a")), "ONCE MORE");
}

TEST_P(AufsSettingsTest, OverlaysWhiteoutsAreReadInReadOnlyBranches) {
  if (backend().name == "aufs") GTEST_SKIP() << "the kernel's AUFS reads its own only";
  expect_own_view_only("AUFS does not read them");
  const BranchDir in_overlays_format(middle().path(), WhiteoutFormat::Overlay);
  base().file("gone", "hidden");
  base().file("d/gone", "hidden");
  in_overlays_format.whiteout("gone");
  in_overlays_format.file("d/own", "shown");
  in_overlays_format.opaque("d");
  mount();
  EXPECT_EQ(names_in(root()), Names{"d"});
  EXPECT_EQ(names_in(at("d")), Names{"own"});
  EXPECT_EQ(tried_open(at("gone"), O_RDONLY), "ENOENT");
}

INSTANTIATE_TEST_SUITE_P(On, AufsSettingsTest, ::testing::ValuesIn(aufs_cases()), case_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(AufsSettingsTest);

}  // namespace
}  // namespace layerkit
