// Who may do what: checks as the kernel makes them on any file system, with owners and modes as
// the union shows them.

#include <sys/prctl.h>

#include "union_conformance.h"
#include "xattr_values.h"

namespace layerkit {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the suite's own words

constexpr uid_t kUser = 1000;
constexpr gid_t kGroup = 1000;
constexpr gid_t kSecondGroup = 2000;
const Identity kOwner{.uid = kUser, .gid = kGroup, .groups = {}};

class UnionPermission : public UnionTest {
 protected:
  static void own(const std::string& path, uid_t uid, gid_t gid, unsigned mode) {
    ASSERT_EQ(::lchown(path.c_str(), uid, gid), 0);
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
  }
};

TEST_P(UnionPermission, ModesCountForFilesOfAllBranches) {
  for (const BranchDir* branch : {&upper(), &base()}) {
    const std::string name = branch == &upper() ? "upper" : "base";
    branch->file(name, "secret");
    own(branch->path(name), 0, kGroup, 0640);
    branch->file(name + "-own", "mine");
    own(branch->path(name + "-own"), kUser, 0, 0400);
  }
  mount();
  for (const std::string name : {"upper", "base"}) {
    as_user({}, [&] {
      EXPECT_EQ(tried_open(at(name), O_RDONLY), "EACCES");
      EXPECT_EQ(tried_open(at(name + "-own"), O_RDONLY), "EACCES");
      EXPECT_EQ(tried(::access(at(name).c_str(), R_OK)), "EACCES");
      EXPECT_EQ(status_of(at(name)).st_size, 6);
    });
    as_user(kOwner, [&] {
      EXPECT_EQ(tried_open(at(name), O_RDONLY), "ok");
      EXPECT_EQ(tried_open(at(name), O_WRONLY), "EACCES");
      EXPECT_EQ(tried_open(at(name + "-own"), O_RDONLY), "ok");
      EXPECT_EQ(tried_open(at(name + "-own"), O_RDWR), "EACCES");
      EXPECT_EQ(tried(::chmod(at(name + "-own").c_str(), 0600)), "ok");
      EXPECT_EQ(tried_open(at(name + "-own"), O_RDWR), "ok");
    });
  }
}

TEST_P(UnionPermission, ADirectoryWithoutSearchPermissionIsClosed) {
  base().file("d/f", "text");
  own(base().path("d"), 0, 0, 0744);
  middle().file("l/f", "text");
  own(middle().path("l"), 0, 0, 0711);
  mount();
  as_user({}, [&] {
    EXPECT_EQ(DirStream(at("d")).rest(), Names{"f"});
    EXPECT_EQ(tried_open(at("d/f"), O_RDONLY), "EACCES");
    EXPECT_EQ(tried(::access(at("d/f").c_str(), F_OK)), "EACCES");
    EXPECT_EQ(tried_open(at("d/absent"), O_RDONLY), "EACCES");
    EXPECT_EQ(tried_open(at("l"), O_RDONLY | O_DIRECTORY), "EACCES");
    EXPECT_EQ(tried_open(at("l/f"), O_RDONLY), "ok");
  });
}

TEST_P(UnionPermission, TheTopmostDirectoryDecides) {
  base().file("open-below/f", "text");
  base().file("closed-below/f", "text");
  own(base().path("open-below"), 0, 0, 0777);
  own(base().path("closed-below"), 0, 0, 0700);
  upper().dir("open-below", 0700);
  upper().dir("closed-below", 0755);
  mount();
  as_user({}, [&] {
    EXPECT_EQ(tried_open(at("open-below/f"), O_RDONLY), "EACCES");
    const std::string through_closed = tried_open(at("closed-below/f"), O_RDONLY);
    EXPECT_EQ(through_closed, traits().every_directory_is_checked ? "EACCES" : "ok");
  });
}

TEST_P(UnionPermission, SupplementaryGroupsCount) {
  base().dir("d");
  own(base().path("d"), 0, kSecondGroup, 0770);
  base().file("f", "text");
  own(base().path("f"), 0, kSecondGroup, 0660);
  mount();
  as_user(kOwner, [&] { EXPECT_EQ(tried_open(at("f"), O_RDWR), "EACCES"); });
  as_user({.uid = kUser, .gid = kGroup, .groups = {7, kSecondGroup}}, [&] {
    EXPECT_EQ(tried_write(at("f"), "TEXT"), "ok");
    EXPECT_EQ(tried_write(at("d/new"), ""), "ok");
    EXPECT_EQ(tried(::chown(at("d/new").c_str(), kUser, kSecondGroup)), "ok");
    EXPECT_EQ(tried(::chown(at("d/new").c_str(), kUser, 9)), "EPERM");
  });
  EXPECT_EQ(status_of(at("f")).st_uid, 0U);
  EXPECT_EQ(status_of(at("d/new")).st_uid, kUser);
  EXPECT_EQ(status_of(at("d/new")).st_gid, kSecondGroup);
}

TEST_P(UnionPermission, WhatAUserMakesIsTheUsers) {
  base().dir("d", 0777);
  base().file("d/gone", "");
  mount();
  ASSERT_EQ(tried(::unlink(at("d/gone").c_str())), "ok");
  as_user(kOwner, [&] {
    ::umask(022);
    EXPECT_EQ(tried_write(at("d/file"), ""), "ok");
    EXPECT_EQ(tried_write(at("d/gone"), ""), "ok");
    EXPECT_EQ(tried(::mkdir(at("d/dir").c_str(), 0777)), "ok");
    EXPECT_EQ(tried(::symlink("x", at("d/symlink").c_str())), "ok");
    EXPECT_EQ(tried(::mkfifo(at("d/fifo").c_str(), 0666)), "ok");
    const Fd fd(::open(at("d").c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666));
    EXPECT_EQ(status_of(fd.get()).st_uid, kUser);
    EXPECT_EQ(tried(::mknod(at("d/device").c_str(), S_IFCHR | 0600, 0x103)), "EPERM");
  });
  for (const char* name : {"d/file", "d/gone", "d/dir", "d/symlink", "d/fifo"}) {
    EXPECT_EQ(status_of(at(name)).st_uid, kUser) << name;
    EXPECT_EQ(status_of(at(name)).st_gid, kGroup) << name;
    EXPECT_EQ(status_of(upper().path(name)).st_uid, kUser) << name;
  }
  EXPECT_EQ(mode_of(at("d/file")), 0644U);
  EXPECT_EQ(mode_of(at("d/dir")), 0755U);
}

TEST_P(UnionPermission, AStickyDirectoryGuardsNamesOfOthers) {
  base().file("tmp/root", "");
  base().file("tmp/user", "");
  base().dir("tmp/root-dir");
  own(base().path("tmp/user"), kUser, kGroup, 0644);
  base().dir("tmp", 01777);
  mount();
  ASSERT_EQ(tried_write(at("tmp/new-root"), ""), "ok");
  as_user(kOwner, [&] {
    EXPECT_EQ(tried(::unlink(at("tmp/root").c_str())), "EPERM");
    EXPECT_EQ(tried(::unlink(at("tmp/new-root").c_str())), "EPERM");
    EXPECT_EQ(tried(::rmdir(at("tmp/root-dir").c_str())), "EPERM");
    EXPECT_EQ(tried_rename(at("tmp/root"), at("tmp/x")), "EPERM");
    EXPECT_EQ(tried_rename(at("tmp/user"), at("tmp/root")), "EPERM");
    EXPECT_EQ(tried_rename(at("tmp/user"), at("tmp/mine")), "ok");
    EXPECT_EQ(tried(::unlink(at("tmp/mine").c_str())), "ok");
    EXPECT_EQ(tried_write(at("tmp/user"), ""), "ok");
  });
  EXPECT_EQ(names_in(at("tmp")), (Names{"new-root", "root", "root-dir", "user"}));
}

TEST_P(UnionPermission, ADirectoryThatIsNotTheUsersCannotBeChanged) {
  base().file("d/f", "");
  own(base().path("d/f"), kUser, kGroup, 0644);
  mount();
  as_user(kOwner, [&] {
    EXPECT_EQ(tried(::unlink(at("d/f").c_str())), "EACCES");
    EXPECT_EQ(tried_rename(at("d/f"), at("d/g")), "EACCES");
    EXPECT_EQ(tried(::link(at("d/f").c_str(), at("d/g").c_str())), "EACCES");
    EXPECT_EQ(tried_open(at("d/g"), O_WRONLY | O_CREAT), "EACCES");
    EXPECT_EQ(tried(::mkdir(at("d/g").c_str(), 0755)), "EACCES");
    EXPECT_EQ(tried_open(at("d"), O_TMPFILE | O_WRONLY), "EACCES");
    EXPECT_EQ(tried_write(at("d/f"), "text"), "ok");
  });
  EXPECT_EQ(text_of(at("d/f")), "text");
}

TEST_P(UnionPermission, TheGroupOfASetgidDirectoryIsInherited) {
  base().dir("d");
  own(base().path("d"), 0, kSecondGroup, 02777);
  mount();
  as_user(kOwner, [&] {
    ::umask(0);
    EXPECT_EQ(tried_write(at("d/file"), ""), "ok");
    EXPECT_EQ(tried(::mkdir(at("d/dir").c_str(), 0755)), "ok");
    EXPECT_EQ(tried(::mkfifo(at("d/fifo").c_str(), 0644)), "ok");
    EXPECT_EQ(tried_open(at("d/setgid"), O_WRONLY | O_CREAT, 02775), "ok");
  });
  for (const char* name : {"d/file", "d/dir", "d/fifo", "d/setgid"})
    EXPECT_EQ(status_of(at(name)).st_gid, kSecondGroup) << name;
  EXPECT_EQ(mode_of(at("d/dir")), 02755U);
  EXPECT_EQ(mode_of(at("d/file")), 0644U);
  EXPECT_EQ(mode_of(at("d/setgid")), 0775U) << "not a member of the group";
  ASSERT_EQ(tried(::mkdir(at("d/dir/deeper").c_str(), 0700)), "ok");
  EXPECT_EQ(status_of(at("d/dir/deeper")).st_gid, kSecondGroup);
  EXPECT_EQ(mode_of(at("d/dir/deeper")), 02700U);
}

TEST_P(UnionPermission, AForeignChangeOfContentsTakesTheSpecialBits) {
  const Names ways = {"write", "truncate", "fallocate"};
  for (const std::string& way : ways) {
    base().file(way, "text");
    own(base().path(way), 0, 0, 06777);
    base().file(way + "-cap", "text");
    ASSERT_EQ(::chmod(base().path(way + "-cap").c_str(), 0777), 0);
    set_xattr_at(AT_FDCWD, base().path(way + "-cap"), kCapability, capability_value());
  }
  mount();
  as_user(kOwner, [&] {
    for (const std::string suffix : {"", "-cap"}) {
      EXPECT_EQ(tried_write(at("write" + suffix), "T"), "ok");
      EXPECT_EQ(tried(::truncate(at("truncate" + suffix).c_str(), 1)), "ok");
      const Fd fd = open_file(at("fallocate" + suffix), O_RDWR);
      EXPECT_EQ(tried(::fallocate(fd.get(), 0, 0, 100)), "ok");
    }
  });
  for (const std::string& way : ways) {
    EXPECT_EQ(mode_of(at(way)), 0777U) << way;
    EXPECT_EQ(xattr_of(at(way + "-cap"), kCapability), "ENODATA") << way;
  }
}

TEST_P(UnionPermission, AForeignOpenThatTruncatesTakesTheSpecialBits) {
  for (const BranchDir* branch : {&upper(), &base()}) {
    const std::string name = branch == &upper() ? "upper" : "base";
    branch->file(name, "text");
    own(branch->path(name), 0, 0, 06777);
  }
  mount();
  as_user(kOwner, [&] {
    EXPECT_EQ(tried_open(at("upper"), O_WRONLY | O_TRUNC), "ok");
    EXPECT_EQ(tried_open(at("base"), O_WRONLY | O_TRUNC), "ok");
  });
  EXPECT_EQ(mode_of(at("upper")), 0777U);
  EXPECT_EQ(mode_of(at("base")), 0777U);
}

TEST_P(UnionPermission, TheSetgidBitOfWhatCannotBeExecutedStaysForTheGroup) {
  const Identity member{.uid = kUser, .gid = kGroup, .groups = {kSecondGroup}};
  struct Change {
    const char* name;
    std::string (*make)(const std::string& path);
  };
  const Change changes[] = {
      {"open", [](const std::string& path) { return tried_open(path, O_WRONLY | O_TRUNC); }},
      {"truncate", [](const std::string& path) { return tried(::truncate(path.c_str(), 1)); }},
      {"write", [](const std::string& path) { return tried_write(path, "TEXT"); }},
      {"fallocate",
       [](const std::string& path) {
         return tried(::fallocate(open_file(path, O_WRONLY).get(), 0, 0, 100));
       }},
  };
  for (const Change& change : changes) {
    for (const char* who : {"member-", "other-"}) {
      for (const BranchDir* branch : {&upper(), &base()}) {
        const std::string name = std::string(branch == &upper() ? "upper-" : "base-") + who;
        branch->file(name + change.name, "text");
        own(branch->path(name + change.name), 0, kSecondGroup, 06666);
      }
    }
  }
  mount();
  for (const Change& change : changes) {
    for (const char* branch : {"upper-", "base-"}) {
      const std::string path = at(branch);
      as_user(member,
              [&] { EXPECT_EQ(change.make(path + "member-" + change.name), "ok") << change.name; });
      as_user(kOwner,
              [&] { EXPECT_EQ(change.make(path + "other-" + change.name), "ok") << change.name; });
      EXPECT_EQ(mode_of(path + "member-" + change.name), 02666U) << branch << change.name;
      EXPECT_EQ(mode_of(path + "other-" + change.name), 0666U) << branch << change.name;
    }
  }
}

TEST_P(UnionPermission, AChangeOfOwnerTakesTheSpecialBits) {
  base().file("f", "text", 0755);
  own(base().path("f"), kUser, kGroup, 06755);
  base().file("cap", "text", 0755);
  set_xattr_at(AT_FDCWD, base().path("cap"), kCapability, capability_value());
  mount();
  as_user({.uid = kUser, .gid = kGroup, .groups = {kSecondGroup}},
          [&] { EXPECT_EQ(tried(::chown(at("f").c_str(), kUser, kSecondGroup)), "ok"); });
  EXPECT_EQ(mode_of(at("f")), 0755U);
  ASSERT_EQ(tried(::chown(at("cap").c_str(), 1, 2)), "ok");
  EXPECT_EQ(xattr_of(at("cap"), kCapability), "ENODATA");
}

TEST_P(UnionPermission, RootsWritesLeaveTheSpecialBits) {
  base().file("f", "text");
  own(base().path("f"), kUser, kGroup, 06755);
  mount();
  EXPECT_EQ(tried_write(at("f"), "TEXT"), "ok");
  EXPECT_EQ(mode_of(at("f")), 06755U);
}

TEST_P(UnionPermission, AChmodDropsAForeignSetgid) {
  base().file("f", "text");
  own(base().path("f"), kUser, kSecondGroup, 0755);
  mount();
  as_user(kOwner, [&] { EXPECT_EQ(tried(::chmod(at("f").c_str(), 02755)), "ok"); });
  EXPECT_EQ(mode_of(at("f")), 0755U);
}

TEST_P(UnionPermission, AclsCount) {
  base().file("for-user", "text");
  base().file("not-for-user", "text", 0666);
  set_xattr_at(AT_FDCWD, base().path("for-user"), kAccessAcl, acl_for_user(kUser, 06));
  set_xattr_at(AT_FDCWD, base().path("not-for-user"), kAccessAcl,
               acl_value({{AclTag::Owner, 06},
                          {AclTag::User, 0, kUser},
                          {AclTag::OwningGroup, 06},
                          {AclTag::Mask, 07},
                          {AclTag::Others, 06}}));
  mount();
  as_user(kOwner, [&] {
    EXPECT_EQ(tried_open(at("for-user"), O_RDWR), "ok");
    EXPECT_EQ(tried_open(at("not-for-user"), O_RDONLY), "EACCES");
  });
  as_user({}, [&] {
    EXPECT_EQ(tried_open(at("for-user"), O_RDONLY), "EACCES");
    EXPECT_EQ(tried_open(at("not-for-user"), O_RDWR), "ok");
  });
}

TEST_P(UnionPermission, ADefaultAclReplacesTheUmask) {
  base().dir("d", 0777);
  const std::string acl = acl_value({{AclTag::Owner, 07},
                                     {AclTag::User, 07, kUser},
                                     {AclTag::OwningGroup, 05},
                                     {AclTag::Mask, 07},
                                     {AclTag::Others, 05}});
  set_xattr_at(AT_FDCWD, base().path("d"), kDefaultAcl, acl);
  base().dir("plain");
  mount();
  const mode_t before = ::umask(077);
  EXPECT_EQ(tried_open(at("d/file"), O_WRONLY | O_CREAT, 0666), "ok");
  EXPECT_EQ(tried(::mkdir(at("d/dir").c_str(), 0777)), "ok");
  EXPECT_EQ(tried_open(at("plain/file"), O_WRONLY | O_CREAT, 0666), "ok");
  ::umask(before);
  EXPECT_EQ(mode_of(at("d/file")), 0664U);
  EXPECT_EQ(mode_of(at("d/dir")), 0775U);
  EXPECT_EQ(mode_of(at("plain/file")), 0600U);
  EXPECT_EQ(xattr_of(at("d/dir"), kDefaultAcl), acl);
  as_user(kOwner, [&] { EXPECT_EQ(tried_open(at("d/file"), O_RDWR), "ok"); });
}

TEST_P(UnionPermission, ChmodAndTheMaskOfAnAclAreOne) {
  base().file("f", "text");
  set_xattr_at(AT_FDCWD, base().path("f"), kAccessAcl, acl_for_user(kUser, 06));
  mount();
  ASSERT_EQ(tried(::chmod(at("f").c_str(), 0640)), "ok");
  as_user(kOwner, [&] {
    EXPECT_EQ(tried_open(at("f"), O_RDONLY), "ok");
    EXPECT_EQ(tried_open(at("f"), O_RDWR), "EACCES");
  });
  ASSERT_EQ(tried(::removexattr(at("f").c_str(), kAccessAcl)), "ok");
  as_user(kOwner, [&] { EXPECT_EQ(tried_open(at("f"), O_RDONLY), "EACCES"); });
}

TEST_P(UnionPermission, TrustedAttributesAreForThePrivileged) {
  base().file("f", "text", 0666);
  set_xattr_at(AT_FDCWD, base().path("f"), "trusted.key", "value");
  mount();
  as_user({}, [&] {
    EXPECT_EQ(xattr_of(at("f"), "trusted.key"), "ENODATA");
    EXPECT_EQ(tried_set_xattr(at("f"), "trusted.key", "x"), "EPERM");
    EXPECT_EQ(tried_set_xattr(at("f"), kCapability, capability_value()), "EPERM");
    EXPECT_EQ(tried_set_xattr(at("f"), "user.key", "x"), "ok");
  });
  EXPECT_EQ(xattr_of(at("f"), "trusted.key"), "value");
  EXPECT_EQ(xattr_of(at("f"), "user.key"), "x");
}

TEST_P(UnionPermission, UserAttributesAreForFilesAndDirectories) {
  base().node("fifo", S_IFIFO | 0666);
  base().symlink("symlink", "x");
  mount();
  EXPECT_EQ(tried_set_xattr(at("fifo"), "user.key", "x"), "EPERM");
  EXPECT_EQ(tried_set_xattr(at("symlink"), "user.key", "x"), "EPERM");
  EXPECT_EQ(tried_set_xattr(at("symlink"), "trusted.key", "x"), "ok");
  EXPECT_EQ(xattr_of(at("symlink"), "trusted.key"), "x");
}

TEST_P(UnionPermission, ExecutionNeedsItsBit) {
  base().file("program", read_file_at(AT_FDCWD, "/bin/true", 1 << 24), 0644);
  mount();
  const std::string path = at("program");
  const auto run = [&path] {
    return exit_code_of_child([] { return ::fork(); },
                              [&path] {
                                ::execl(path.c_str(), path.c_str(), nullptr);
                                return errno == EACCES ? 3 : 4;
                              });
  };
  EXPECT_EQ(run(), 3);
  ASSERT_EQ(tried(::chmod(path.c_str(), 0755)), "ok");
  EXPECT_EQ(run(), 0);
}

INSTANTIATE_TEST_SUITE_P(On,
                         UnionPermission,
                         ::testing::ValuesIn(union_cases({Medium::Memory, Medium::Disk})),
                         case_name);

}  // namespace
}  // namespace layerkit
