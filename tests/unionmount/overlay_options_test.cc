#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "expect_error.h"
#include "layerkit/unionmount/mount_options.h"

namespace layerkit {
namespace {

using testing::expect_error;
using Texts = std::vector<std::string>;

Texts branches_of(const MountOptions& options) {
  Texts branches;
  for (const BranchText& branch : options.branches)
    branches.push_back(branch.path + "=" + format_permission(branch.access, branch.attributes));
  return branches;
}

void expect_refused(const std::string& text, const std::string& message) {
  expect_error(Errc::Invalid, message, [&text] { parse_mount_options(text); });
}

TEST(OverlayOptionsTest, TheUpperIsTheTopWhereverItStands) {
  const Texts expected = {"/u=rw", "/a=ro", "/b=ro"};
  const MountOptions options = parse_mount_options("lowerdir=/a:/b,upperdir=/u,workdir=/w");
  EXPECT_EQ(branches_of(options), expected);
  EXPECT_EQ(options.work, "/w");
  EXPECT_EQ(options.whiteouts, WhiteoutFormat::Overlay);
  EXPECT_TRUE(options.branches.front().access_given);
  EXPECT_EQ(parse_mount_options("workdir=/w,upperdir=/u,lowerdir=/a:/b"), options);
}

TEST(OverlayOptionsTest, AnAufsUnionKeepsAufsWhiteouts) {
  EXPECT_EQ(parse_mount_options("br:/a").whiteouts, WhiteoutFormat::Aufs);
}

TEST(OverlayOptionsTest, LowersAloneAreReadOnly) {
  const MountOptions options = parse_mount_options("lowerdir=/a:/b,workdir=/w");
  EXPECT_EQ(branches_of(options), (Texts{"/a=ro", "/b=ro"}));
  EXPECT_TRUE(options.branches.front().access_given);
  EXPECT_EQ(options.work, "");
  EXPECT_EQ(options.warnings, Texts{"ignored the option 'workdir': there is no upperdir"});
}

TEST(OverlayOptionsTest, EscapesWorkAsInOverlay) {
  const MountOptions options =
      parse_mount_options(R"(lowerdir=/a\:b:/c\\:/d\,e:/f=ro,lowerdir+=/g:h,upperdir=/u\:v)");
  EXPECT_EQ(branches_of(options),
            (Texts{"/u:v=rw", "/a:b=ro", "/c\\=ro", "/d,e=ro", "/f=ro=ro", "/g:h=ro"}));
}

TEST(OverlayOptionsTest, ALaterListReplacesTheFirst) {
  EXPECT_EQ(branches_of(parse_mount_options("lowerdir=/a,lowerdir=/b")), Texts{"/b=ro"});
}

TEST(OverlayOptionsTest, OneMountUsesOneForm) {
  expect_refused("br:/a,lowerdir=/b", "branches are given in AUFS's form (br) and in overlay's");
  expect_refused("upperdir=/b,dirs=/a", "branches are given in AUFS's form (br) and in overlay's");
}

TEST(OverlayOptionsTest, ARemountMayChangeBranchesOfEitherForm) {
  const MountOptions options = parse_mount_options("lowerdir=/a,remount,append:/b");
  EXPECT_EQ(options.changes.size(), 1U);
  EXPECT_EQ(options.branches.size(), 1U);
}

TEST(OverlayOptionsTest, DirectoriesOfDataStandBehindTwoColons) {
  const MountOptions options = parse_mount_options("lowerdir=/a:/b::/d::/e\\:f,datadir+=/g:h");
  EXPECT_EQ(branches_of(options), (Texts{"/a=ro", "/b=ro"}));
  EXPECT_EQ(options.data_directories, (Texts{"/d", "/e:f", "/g:h"}));
  EXPECT_EQ(parse_mount_options("lowerdir=/a::/d,lowerdir=/b").data_directories, Texts{});
  expect_refused("lowerdir=/a::/d:/b",
                 "after '::' all directories are of data alone, each with '::' before it");
}

TEST(OverlayOptionsTest, DirectoriesOfDataCountAsBranches) {
  std::string text = "lowerdir=/a";
  for (std::size_t i = 1; i < kMaxBranches; ++i)
    text += "::/d";
  EXPECT_EQ(parse_mount_options(text).data_directories.size(), kMaxBranches - 1);
  expect_error(Errc::Limit, "there are more than 4096 branches",
               [&] { parse_mount_options(text + "::/d"); });
}

TEST(OverlayOptionsTest, RefusesEmptyPaths) {
  for (const std::string text : {"lowerdir=", "lowerdir=:/a", "lowerdir=/a:", "lowerdir=/a::",
                                 "lowerdir=::/d", "lowerdir=/a:::/d", "lowerdir=/a::/d::"})
    expect_refused(text, "reading the option '" + text + "': a path is empty");
  expect_refused("datadir+=", "reading the option 'datadir+=': the path is empty");
  expect_refused("upperdir=", "reading the option 'upperdir=': the path is empty");
}

TEST(OverlayOptionsTest, AnExpendableUpperHasManyNames) {
  EXPECT_TRUE(parse_mount_options("volatile").expendable_upper);
  EXPECT_TRUE(parse_mount_options("fsync=0").expendable_upper);
  EXPECT_TRUE(parse_mount_options("fsync=volatile").expendable_upper);
  EXPECT_FALSE(parse_mount_options("volatile,fsync=1").expendable_upper);
  EXPECT_FALSE(parse_mount_options("volatile,fsync=strict").expendable_upper);
  expect_refused("fsync=2", "reading the option 'fsync=2': the value is none of 0, 1");
}

TEST(OverlayOptionsTest, RedirectsAreRenamedDirectories) {
  EXPECT_TRUE(parse_mount_options("redirect_dir=on").aufs.rename_directories);
  EXPECT_FALSE(parse_mount_options("redirect_dir=on,redirect_dir=off").aufs.rename_directories);
  EXPECT_FALSE(parse_mount_options("redirect_dir=nofollow").aufs.rename_directories);
  EXPECT_EQ(parse_mount_options("redirect_dir=on").overlay.redirect_dir, OverlayRedirect::On);
  // What is said later counts, in either language.
  EXPECT_EQ(parse_mount_options("redirect_dir=on,nodirren").overlay.redirect_dir, std::nullopt);
  EXPECT_EQ(parse_mount_options("redirect_dir=off,dirren").overlay.redirect_dir, std::nullopt);
  expect_refused("redirect_dir=1", "the value is none of on, off, follow, nofollow");
}

TEST(OverlayOptionsTest, OverlaysOwnSettingsAreRead) {
  EXPECT_EQ(parse_mount_options("lowerdir=/a").overlay, OverlaySettings{});
  const OverlaySettings expected = {.redirect_dir = OverlayRedirect::Follow,
                                    .xino = OverlayXino::Auto,
                                    .uuid = OverlayUuid::On,
                                    .verity = OverlayVerity::Require,
                                    .metacopy = true,
                                    .index = true,
                                    .nfs_export = true,
                                    .user_xattrs = true};
  EXPECT_EQ(parse_mount_options("redirect_dir=follow,xino=auto,uuid=on,verity=require,metacopy=on,"
                                "index=on,nfs_export=on,userxattr")
                .overlay,
            expected);
  EXPECT_TRUE(parse_mount_options("nfs_export=on").overlay.index) << "as the kernel has it";
  EXPECT_FALSE(parse_mount_options("nfs_export=on,index=off").overlay.index);
  EXPECT_FALSE(parse_mount_options("metacopy=on,metacopy=off").overlay.metacopy);
  expect_refused("uuid=x", "reading the option 'uuid=x': the value is none of null, off, auto, on");
  expect_refused("verity=1", "the value is none of on, off, require");
  expect_refused("index=auto", "the value is none of on, off");
}

TEST(OverlayOptionsTest, XinoIsAPathOrAWord) {
  EXPECT_EQ(parse_mount_options("xino=off").overlay.xino, OverlayXino::Off);
  EXPECT_EQ(parse_mount_options("xino=on,xino=/p").overlay.xino, std::nullopt);
  EXPECT_EQ(parse_mount_options("xino=on,noxino").overlay.xino, std::nullopt);
  EXPECT_EQ(parse_mount_options("xino=./on").overlay.xino, std::nullopt);
}

TEST(OverlayOptionsTest, HarmlessOptionsAreIgnoredWithAWarning) {
  EXPECT_EQ(parse_mount_options("override_creds,timeout=1.5,fast_ino,noacl").warnings,
            (Texts{"ignored the option 'override_creds'", "ignored the option 'timeout=1.5'",
                   "ignored the option 'fast_ino'"}));
}

TEST(OverlayOptionsTest, RefusesWhatWouldShowOtherFiles) {
  expect_refused("context=x", "reading the option 'context=x': the option is not supported");
  expect_refused("xattr_permissions=2", "only 'off' is supported");
}

TEST(OverlayOptionsTest, OwnersAreMappedOrSquashed) {
  const AufsSettings mapped =
      parse_mount_options("uidmapping=0:1000:1:1:5:10,gidmapping=7:8:9").aufs;
  EXPECT_EQ(mapped.users.ranges, (std::vector<OwnerMapping::Range>{{0, 1000, 1}, {1, 5, 10}}));
  EXPECT_EQ(mapped.groups.ranges, (std::vector<OwnerMapping::Range>{{7, 8, 9}}));
  EXPECT_EQ(mapped.users.shown(10), 14U);
  EXPECT_EQ(mapped.users.shown(11), OwnerMapping::kOverflow);
  EXPECT_EQ(mapped.users.stored(14), 10U);
  EXPECT_EQ(mapped.users.stored(1000), 0U);
  EXPECT_EQ(mapped.users.stored(0), std::nullopt);
  const AufsSettings squashed = parse_mount_options("squash_to_root,squash_to_gid=5").aufs;
  EXPECT_EQ(squashed.users.shown(7), 0U);
  EXPECT_EQ(squashed.groups.shown(7), 5U);
  EXPECT_EQ(squashed.groups.stored(7), 5U);
  EXPECT_TRUE(parse_mount_options("").aufs.users.is_identity());
  for (const char* text : {"", "1", "1:2", "1:2:3:4", "a:1:1", "-1:1:1", "0:1:4294967295x"})
    EXPECT_THROW(parse_mount_options(std::string("uidmapping=") + text), Error) << text;
  for (const char* text : {"0:0:0", "4294967294:0:2", "0:4294967290:6", "0:0:4294967295"})
    EXPECT_THROW(parse_mount_options(std::string("gidmapping=") + text), Error) << text;
  EXPECT_NO_THROW(parse_mount_options("uidmapping=0:4294967290:5"));
  EXPECT_THROW(parse_mount_options("squash_to_uid=4294967295"), Error);
}

TEST(OverlayOptionsTest, IsWrittenAsItIsRead) {
  const std::string text = R"(ro,volatile,upperdir=/u:v,lowerdir=/a\:b:/c\,d,workdir=/w\\,dirren)";
  EXPECT_EQ(format_mount_options(parse_mount_options(text)), text);
  const std::string settings =
      R"(lowerdir=/a:/b,datadir+=/c:d,datadir+=/e\,f,noxino,redirect_dir=nofollow,xino=off,)"
      "uuid=null,verity=on,metacopy=on,nfs_export=on,index=off,userxattr";
  const std::string owners =
      "lowerdir=/a,noxattrs,static_nlink,uidmapping=0:1:2,squash_to_uid=3,gidmapping=4:5:6:7:8:9";
  EXPECT_EQ(format_mount_options(parse_mount_options(owners)), owners);
  EXPECT_EQ(format_mount_options(parse_mount_options(settings)), settings);
}

}  // namespace
}  // namespace layerkit
