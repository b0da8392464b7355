#include "layerkit/unionmount/mount_options.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "expect_error.h"

namespace layerkit {
namespace {

using testing::expect_error;
using Texts = std::vector<std::string>;

AufsSettings settings_of(const std::string& text) {
  return parse_mount_options(text).aufs;
}

Texts branches_of(const std::string& text) {
  Texts branches;
  for (const BranchText& branch : parse_mount_options(text).branches)
    branches.push_back(format_branch(branch));
  return branches;
}

void expect_refused(const std::string& text, const std::string& message) {
  expect_error(Errc::Invalid, "reading the option " + message,
               [&text] { parse_mount_options(text); });
}

TEST(MountOptionsTest, NothingIsTheDefaults) {
  EXPECT_EQ(parse_mount_options(""), MountOptions{});
  EXPECT_EQ(parse_mount_options(",,"), MountOptions{});
  EXPECT_EQ(format_mount_options({}), "");
  EXPECT_EQ(format_settings({}), "");
}

TEST(MountOptionsTest, BranchesAreListedFromTheTop) {
  const Texts expected = {"./A", "./B=ro+wh"};
  EXPECT_EQ(branches_of("dirs=./A:./B=ro+wh"), expected);
  EXPECT_EQ(branches_of("dirs:./A:./B=ro+wh"), expected);
  EXPECT_EQ(branches_of("br:./A:./B=ro+wh"), expected);
  EXPECT_EQ(branches_of("br=./A:./B=ro+wh:"), expected);
  EXPECT_EQ(branches_of("br:./A,ro,br:./B=ro+wh"), expected);
}

TEST(MountOptionsTest, BranchPathsMayHoldSeparators) {
  EXPECT_EQ(parse_mount_options(R"(br:/a\:b\,c\=d=rw:/e\\,ro)").branches.at(0).path, "/a:b,c=d");
  EXPECT_EQ(parse_mount_options(R"(br:/a\:b\,c\=d=rw:/e\\,ro)").branches.at(1).path, "/e\\");
  EXPECT_TRUE(parse_mount_options(R"(br:/a\:b\,c\=d=rw:/e\\,ro)").read_only);
}

TEST(MountOptionsTest, RefusesAnEmptyBranch) {
  expect_refused("br:", "'br:': reading the branch '': the path is empty");
  expect_refused("br:/a::/b", "'br:/a::/b': reading the branch ''");
  expect_refused("br", "'br': the option needs a value");
}

TEST(MountOptionsTest, ChangesOfBranchesKeepTheirOrder) {
  const MountOptions options = parse_mount_options(
      "remount,append:/a=ro+wh,prepend=/b,ins:3:/c=rw,add=0:/d,del:/e=f,mod:/g=ro,mod=/h=rw");
  EXPECT_TRUE(options.remount);
  const auto branch = [](const std::string& text) {
    Texts warnings;
    return parse_branch(text, warnings);
  };
  const std::vector<BranchChange> expected = {InsertBranch{-1, branch("/a=ro+wh")},
                                              InsertBranch{0, branch("/b")},
                                              InsertBranch{3, branch("/c=rw")},
                                              InsertBranch{0, branch("/d")},
                                              DeleteBranch{"/e=f"},
                                              ModifyBranch{branch("/g=ro")},
                                              ModifyBranch{branch("/h=rw")}};
  EXPECT_EQ(options.changes, expected);
}

TEST(MountOptionsTest, RefusesChangesThatSayTooLittle) {
  expect_refused("ins:/a", "'ins:/a': the option needs an index");
  expect_refused("ins:-1:/a", "'ins:-1:/a': '-1' is not a decimal number");
  expect_refused("ins:4096:/a", "'ins:4096:/a': the number 4096 is not between 0 and 4095");
  expect_refused("ins:010:/a", "'ins:010:/a': '010' is not a decimal number");
  expect_refused("del:", "'del:': the path is empty");
  expect_refused("mod:/a", "'mod:/a': the option needs '=' and a permission");
}

/// The branches of a mount with these options.
Texts mounted_with(const std::string& text) {
  MountOptions options = parse_mount_options(text);
  apply_changes(options.branches, options.changes);
  Texts branches;
  for (const BranchText& branch : options.branches)
    branches.push_back(format_branch(branch));
  return branches;
}

TEST(MountOptionsTest, ChangesCanBelongToANewMount) {
  EXPECT_EQ(mounted_with("append:/a,br:/b:/c,prepend:/d,ins:1:/e=ro,del:/b,mod:/c=rw,ins:4:/f"),
            (Texts{"/d", "/e=ro", "/c=rw", "/a", "/f"}));
}

TEST(MountOptionsTest, ChangesOfANewMountMustFit) {
  expect_error(Errc::Invalid, "inserting the branch '/b' at 2: there are 1 branches",
               [] { mounted_with("br:/a,ins:2:/b"); });
  expect_error(Errc::NotFound, "deleting the branch '/b': there is no such branch",
               [] { mounted_with("br:/a,del:/b"); });
  expect_error(Errc::NotFound, "changing the branch '/b': there is no such branch",
               [] { mounted_with("br:/a,mod:/b=ro"); });
}

TEST(MountOptionsTest, CreatePoliciesHaveShortAndLongNames) {
  const auto create = [](const std::string& text) { return settings_of("create=" + text).create; };
  EXPECT_EQ(create("tdp"), CreatePolicy{});
  EXPECT_EQ(create("top-down-parent"), CreatePolicy{});
  EXPECT_EQ(create("rr").rule, CreateRule::RoundRobin);
  EXPECT_EQ(create("round-robin").rule, CreateRule::RoundRobin);
  EXPECT_EQ(create("most-free-space:7"), (CreatePolicy{CreateRule::MostFree, 0, 7}));
  EXPECT_EQ(create("mfs"), (CreatePolicy{CreateRule::MostFree, 0, 30}));
  EXPECT_EQ(create("tdmfs:99"), (CreatePolicy{CreateRule::TopDownMostFree, 99, 30}));
  EXPECT_EQ(create("mfsrr:99:0"), (CreatePolicy{CreateRule::MostFreeRoundRobin, 99, 0}));
  EXPECT_EQ(create("pmfs:3600"), (CreatePolicy{CreateRule::ParentMostFree, 0, 3600}));
  EXPECT_EQ(create("pmfsrr:18446744073709551615:1"),
            (CreatePolicy{CreateRule::ParentMostFreeRoundRobin, 18446744073709551615U, 1}));
  EXPECT_EQ(settings_of("create_policy=rr").create.rule, CreateRule::RoundRobin);
}

TEST(MountOptionsTest, RefusesPoliciesWithNumbersThatDoNotFit) {
  expect_refused("create=mfsrr", "'create=mfsrr': the policy needs a number of bytes");
  expect_refused("create=mfsrr:1K", "'create=mfsrr:1K': '1K' is not a decimal number");
  expect_refused("create=mfsrr:18446744073709551616",
                 "'create=mfsrr:18446744073709551616': '18446744073709551616' is not a decimal");
  expect_refused("create=mfs:3601", "'create=mfs:3601': the number 3601 is not between 0 and 3600");
  expect_refused("create=rr:1", "'create=rr:1': the policy takes fewer numbers");
  expect_refused("create=mfs:1:1", "'create=mfs:1:1': the policy takes fewer numbers");
  expect_refused("create=", "'create=': the policy '' is none of tdp");
  expect_refused("create=td", "'create=td': the policy 'td' is none of tdp");
}

TEST(MountOptionsTest, CopyUpPoliciesHaveThreeKeysAndTwoNames) {
  EXPECT_EQ(settings_of("cpup=bup").copy_up, CopyUpRule::BottomUpParent);
  EXPECT_EQ(settings_of("copyup=bottom-up-parent").copy_up, CopyUpRule::BottomUpParent);
  EXPECT_EQ(settings_of("copyup_policy=bu").copy_up, CopyUpRule::BottomUp);
  EXPECT_EQ(settings_of("cpup=bottom-up").copy_up, CopyUpRule::BottomUp);
  EXPECT_EQ(settings_of("cpup=bu,cpup=top-down-parent").copy_up, CopyUpRule::TopDownParent);
  expect_refused("cpup=rr", "'cpup=rr': the policy 'rr' is none of tdp, bup, bu");
}

TEST(MountOptionsTest, SwitchesTurnOnAndOff) {
  const AufsSettings off =
      settings_of("noplink,nodio,nowarn_perm,noacl,shwh,dirperm1,dirren,verbose");
  EXPECT_FALSE(off.pseudo_links || off.direct_io || off.warn_permissions || off.acl);
  EXPECT_TRUE(off.show_whiteouts && off.top_permission_only && off.rename_directories &&
              off.verbose);
  EXPECT_EQ(settings_of("noplink,nodio,nowarn_perm,noacl,shwh,dirperm1,dirren,v,"
                        "plink,dio,warn_perm,acl,noshwh,nodirperm1,nodirren,noverbose"),
            AufsSettings{});
  EXPECT_FALSE(settings_of("v,q").verbose || settings_of("v,quiet").verbose ||
               settings_of("v,silent").verbose);
  expect_refused("plink=1", "'plink=1': the option takes no value");
}

TEST(MountOptionsTest, SpaceIsSummedUpOverAllOrTheWritable) {
  EXPECT_TRUE(settings_of("sum").sum_space);
  EXPECT_FALSE(settings_of("wsum,sum").sum_writable_only);
  EXPECT_TRUE(settings_of("wsum").sum_space && settings_of("wsum").sum_writable_only);
  EXPECT_EQ(settings_of("wsum,nosum"), AufsSettings{});
}

TEST(MountOptionsTest, TheInodeTableHasAPlaceOrIsOff) {
  EXPECT_EQ(settings_of("xino=/dev/shm/x").inode_table_path, "/dev/shm/x");
  EXPECT_FALSE(settings_of("xino=/x,noxino").inode_table);
  EXPECT_EQ(settings_of("xino=/x,noxino").inode_table_path, "");
  EXPECT_TRUE(settings_of("noxino,xino=/x").inode_table);
  EXPECT_EQ(settings_of("xino=on,xino=auto"), AufsSettings{});
  EXPECT_FALSE(settings_of("xino=off").inode_table);
  EXPECT_EQ(settings_of("xino=./off").inode_table_path, "./off");
  expect_refused("xino=", "'xino=': the path is empty");
}

TEST(MountOptionsTest, ReadsTheWordsOfUdbaAndDiropq) {
  EXPECT_EQ(settings_of("udba=none").udba, Udba::None);
  EXPECT_EQ(settings_of("udba=notify").udba, Udba::Notify);
  EXPECT_EQ(settings_of("udba=fsnotify").udba, Udba::Notify);
  EXPECT_EQ(settings_of("udba=none,udba=reval").udba, Udba::Revalidate);
  EXPECT_TRUE(settings_of("diropq=a").always_opaque && settings_of("diropq=always").always_opaque);
  EXPECT_FALSE(settings_of("diropq=a,diropq=w").always_opaque ||
               settings_of("diropq=a,diropq=whiteouted").always_opaque);
  expect_refused("udba=inotify", "'udba=inotify': the value is none of none, reval, notify");
  expect_refused("diropq=x", "'diropq=x': the value is none of always");
}

TEST(MountOptionsTest, NumbersHaveTheirRanges) {
  const AufsSettings settings =
      settings_of("dirwh=0,rdcache=3600,rdblk=4096,rdhash=64,fhsm_sec=2147483647");
  EXPECT_EQ(settings.inline_whiteout_limit, 0U);
  EXPECT_EQ(settings.readdir_cache_seconds, 3600U);
  EXPECT_EQ(settings.readdir_block_bytes, 4096U);
  EXPECT_EQ(settings.readdir_hash_size, 64U);
  EXPECT_EQ(settings.fhsm_seconds, 2147483647U);
  EXPECT_EQ(settings_of("rdblk=4096,rdhash=64,rdblk=def,rdhash=def"), AufsSettings{});
  EXPECT_EQ(settings_of("rdblk=0").readdir_block_bytes, 0U);
  expect_refused("rdcache=3601", "'rdcache=3601': the number 3601 is not between 0 and 3600");
  expect_refused("rdblk=254", "'rdblk=254': the number 254 is neither 0 nor at least 255");
  expect_refused("rdblk=4194305", "'rdblk=4194305': the number 4194305 is not between");
  expect_refused("rdhash=524289", "'rdhash=524289': the number 524289 is not between");
  expect_refused("dirwh=2147483648", "'dirwh=2147483648': the number 2147483648 is not between");
  expect_refused("dirwh=-1", "'dirwh=-1': '-1' is not a decimal number");
  expect_refused("dirwh=0x3", "'dirwh=0x3': '0x3' is not a decimal number");
  expect_refused("dirwh= 3", "'dirwh= 3': ' 3' is not a decimal number");
  expect_refused("dirwh=", "'dirwh=': '' is not a decimal number");
}

TEST(MountOptionsTest, WhatAufsHasNoUseForIsIgnoredWithAWarning) {
  const MountOptions options = parse_mount_options(
      "trunc_xino,trunc_xino=/a,itrunc_xino=0,trunc_xib,notrunc_xino,notrunc_xib,clean_plink,"
      "debug=1,delete=all,imap=x,nodlgt,droplvl=-3,relatime");
  EXPECT_EQ(options.warnings.size(), 10U);
  EXPECT_EQ(options.warnings.front(), "ignored the option 'trunc_xino'");
  EXPECT_EQ(options.aufs, AufsSettings{});
}

TEST(MountOptionsTest, SettingsThatAreNotNamedStay) {
  AufsSettings current;
  current.udba = Udba::Notify;
  current.create = {CreateRule::MostFree, 0, 5};
  const AufsSettings changed = parse_mount_options("remount,udba=none", current).aufs;
  EXPECT_EQ(changed.udba, Udba::None);
  EXPECT_EQ(changed.create, current.create);
}

TEST(MountOptionsTest, FlagsOfTheMountApplyFromLeftToRight) {
  const MountOptions strict = parse_mount_options("ro,nosuid,nodev,noexec,noatime");
  EXPECT_TRUE(strict.read_only && strict.no_suid && strict.no_dev && strict.no_exec &&
              strict.no_atime);
  EXPECT_EQ(
      parse_mount_options(
          "ro,nosuid,nodev,noexec,noatime,rw,suid,dev,exec,atime,defaults,auto,nofail,_netdev"),
      MountOptions{});
  const MountOptions user = parse_mount_options("users,exec");
  EXPECT_TRUE(user.no_suid && user.no_dev && !user.no_exec);
  EXPECT_EQ(parse_mount_options("user=joe,x-systemd.requires=/a:b,X-mount.mkdir,relatime"),
            MountOptions{});
}

TEST(MountOptionsTest, ReadsWhatFuseMountsAreGiven) {
  const MountOptions options = parse_mount_options(
      R"(allow_other,allow_root,default_permissions,fsname=a\,b=c,subtype=aufs,nonempty,si=7f)");
  EXPECT_TRUE(options.allow_other && options.allow_root);
  EXPECT_EQ(options.fs_name, "a,b=c");
  EXPECT_EQ(options.id, "7f");
  EXPECT_TRUE(options.warnings.empty());
}

TEST(MountOptionsTest, AnUnknownOptionIsNamed) {
  expect_refused("rw,br:/a,bogus=1,ro", "'bogus=1': the option is unknown");
  expect_refused("br/a", "'br/a': the option is unknown");
  expect_refused(" ro", "' ro': the option is unknown");
  expect_refused("\x1b[2J", R"('\x1b[2J': the option is unknown)");
  expect_refused("ro=1", "'ro=1': the option takes no value");
  expect_refused("fsname", "'fsname': the option needs a value");
}

TEST(MountOptionsTest, ALongOptionIsCutInMessages) {
  try {
    parse_mount_options(std::string(100000, 'a'));
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_LT(error.message().size(), 300U);
  }
}

TEST(MountOptionsTest, WarningsAreBounded) {
  std::string text;
  for (int i = 0; i < 20000; ++i)
    text += "nodlgt,";
  EXPECT_EQ(parse_mount_options(text).warnings.size(), 101U);
}

TEST(MountOptionsTest, TheTextHasALimit) {
  std::string text(kMaxMountOptionBytes, ',');
  EXPECT_EQ(parse_mount_options(text), MountOptions{});
  expect_error(Errc::Limit, "reading mount options: they have 1048577 bytes, the limit is 1048576",
               [&text] { parse_mount_options(text + ","); });
  expect_error(Errc::Invalid, "they contain a NUL byte",
               [] { parse_mount_options(std::string_view("br:/a\0b", 7)); });
}

TEST(MountOptionsTest, TheNumberOfBranchesHasALimit) {
  std::string text = "br:/b";
  while (text.size() < 5 + 3 * (kMaxBranches - 1))
    text += ":/b";
  EXPECT_EQ(parse_mount_options(text).branches.size(), kMaxBranches);
  for (const char* const more : {":/c", ",append:/c", ",br:/c"})
    expect_error(Errc::Limit, "there are more than 4096 branches",
                 [&] { parse_mount_options(text + more); });
}

TEST(MountOptionsTest, IsWrittenAsItIsRead) {
  const std::string text =
      R"(remount,ro,nosuid,nodev,noexec,noatime,volatile,allow_other,fsname=a\,b,si=1,)"
      R"(br:/a\:b=rw+moo:/c:/d=ro+wh,append:/e=rr,prepend:/f,ins:2:/g,del:/h,mod:/i=ro+icex,)"
      R"(create=mfsrr:5:6,cpup=bu,udba=none,noplink,xino=/x,diropq=a,wsum,shwh,dirperm1,dirren,)"
      R"(nodio,noacl,nowarn_perm,verbose,dirwh=4,rdcache=1,rdblk=1024,rdhash=8,fhsm_sec=2)";
  EXPECT_EQ(format_mount_options(parse_mount_options(text)), text);
}

}  // namespace
}  // namespace layerkit
