// What a copied-up object keeps.

#include <sys/sysmacros.h>

#include "union_conformance.h"
#include "xattr_values.h"

namespace layerkit {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the suite's own words

constexpr long long kOldNs = 1'000'000'001'123'456'789;

class UnionKeeps : public UnionTest {
 protected:
  /// Copies the object up without changing what is compared.
  void copy_up(const std::string& name) {
    const struct stat status = status_of(at(name));
    ASSERT_EQ(tried(::lchown(at(name).c_str(), status.st_uid, status.st_gid)), "ok");
    ASSERT_TRUE(upper().has(name));
  }
  static std::vector<std::string> xattr_names_of(const std::string& path) {
    std::vector<std::string> names;
    for (const auto& [key, value] : read_xattrs_at(AT_FDCWD, path))
      names.push_back(key);
    return names;
  }
};

TEST_P(UnionKeeps, OwnerModeAndTimesOfAFile) {
  base().file("f", "text");
  ASSERT_EQ(::chown(base().path("f").c_str(), 1234, 5678), 0);
  ASSERT_EQ(::chmod(base().path("f").c_str(), 0641), 0);
  make_old(base().path("f"));
  mount();
  ASSERT_EQ(tried_set_xattr(at("f"), "user.copied", "up"), "ok");
  for (const std::string& path : {at("f"), upper().path("f")}) {
    const struct stat status = status_of(path);
    EXPECT_EQ(status.st_mode, S_IFREG | 0641U);
    EXPECT_EQ(status.st_uid, 1234U);
    EXPECT_EQ(status.st_gid, 5678U);
    EXPECT_EQ(time_in_ns(status.st_mtim), kOldNs);
  }
}

TEST_P(UnionKeeps, SpecialModeBitsOfFiles) {
  for (const unsigned mode : {04755U, 02755U, 06711U, 01644U, 07777U, 0U}) {
    const std::string name = fmt::format("{:o}", mode);
    base().file(name, "text");
    ASSERT_EQ(::chown(base().path(name).c_str(), 12, 34), 0);
    ASSERT_EQ(::chmod(base().path(name).c_str(), mode), 0);
  }
  mount();
  for (const std::string& name : names_in(root())) {
    ASSERT_EQ(tried_set_xattr(at(name), "user.copied", "up"), "ok");
    EXPECT_EQ(fmt::format("{:o}", mode_of(at(name))), name);
    EXPECT_EQ(fmt::format("{:o}", mode_of(upper().path(name))), name);
  }
}

TEST_P(UnionKeeps, SpecialModeBitsOfDirectories) {
  for (const unsigned mode : {01777U, 02755U, 06711U, 0U}) {
    const std::string name = fmt::format("{:o}", mode);
    base().file(name + "/child");
    ASSERT_EQ(::chown(base().path(name).c_str(), 12, 34), 0);
    ASSERT_EQ(::chmod(base().path(name).c_str(), mode), 0);
    make_old(base().path(name));
  }
  mount();
  for (const std::string& name : names_in(root())) {
    // The directory is copied up for the sake of its child.
    ASSERT_EQ(tried(::chmod(at(name + "/child").c_str(), 0600)), "ok");
    EXPECT_EQ(fmt::format("{:o}", mode_of(at(name))), name);
    EXPECT_EQ(status_of(at(name)).st_uid, 12U);
    EXPECT_EQ(status_of(at(name)).st_gid, 34U);
    EXPECT_EQ(mtime_of(at(name)), kOldNs) << "copying a child up is no change of " << name;
  }
}

TEST_P(UnionKeeps, TheOwnerIsKeptBySomebodyElsesChange) {
  base().dir("d", 0777);
  base().file("d/f", "text", 0666);
  ASSERT_EQ(::chown(base().path("d/f").c_str(), 1, 2), 0);
  ASSERT_EQ(::chown(base().path("d").c_str(), 3, 4), 0);
  mount();
  as_user({}, [&] { EXPECT_EQ(tried_write(at("d/f"), "TEXT"), "ok"); });
  EXPECT_EQ(text_of(at("d/f")), "TEXT");
  EXPECT_EQ(status_of(at("d/f")).st_uid, 1U);
  EXPECT_EQ(status_of(at("d/f")).st_gid, 2U);
  EXPECT_EQ(status_of(at("d")).st_uid, 3U);
  EXPECT_EQ(status_of(at("d")).st_gid, 4U);
}

TEST_P(UnionKeeps, TheUmaskDoesNotTouchACopy) {
  base().dir("d", 0777);
  base().file("d/f", "text", 0666);
  mount();
  const mode_t before = ::umask(077);
  EXPECT_EQ(tried_write(at("d/f"), "TEXT"), "ok");
  EXPECT_EQ(tried(::mkdir(at("d/new").c_str(), 0777)), "ok");
  ::umask(before);
  EXPECT_EQ(mode_of(at("d/f")), 0666U);
  EXPECT_EQ(mode_of(at("d")), 0777U);
  EXPECT_EQ(mode_of(at("d/new")), 0700U);
}

TEST_P(UnionKeeps, TimesOfASymlinkAndOfASpecialFile) {
  base().symlink("symlink", "nowhere");
  base().node("fifo", S_IFIFO | 0600);
  base().node("device", S_IFCHR | 0600, makedev(1, 5));
  for (const char* name : {"symlink", "fifo", "device"})
    make_old(base().path(name));
  mount();
  for (const char* name : {"symlink", "fifo", "device"}) {
    copy_up(name);
    EXPECT_EQ(mtime_of(at(name)), kOldNs) << name;
  }
  EXPECT_EQ(read_link_at(AT_FDCWD, at("symlink")), "nowhere");
  EXPECT_EQ(status_of(at("device")).st_rdev, makedev(1, 5));
}

TEST_P(UnionKeeps, ALongSymlink) {
  const std::string target = std::string(3000, 'x') + "/y";
  base().symlink("symlink", target);
  mount();
  copy_up("symlink");
  EXPECT_EQ(read_link_at(AT_FDCWD, at("symlink")), target);
}

TEST_P(UnionKeeps, ExtendedAttributesOfEverySpace) {
  base().file("f", "text", 0755);
  base().dir("d");
  const std::string binary("a\0b\xff", 4);
  for (const char* name : {"f", "d"}) {
    set_xattr_at(AT_FDCWD, base().path(name), "user.key", "value");
    set_xattr_at(AT_FDCWD, base().path(name), "user.empty", "");
    set_xattr_at(AT_FDCWD, base().path(name), "user.binary", binary);
    set_xattr_at(AT_FDCWD, base().path(name), "trusted.key", "value");
    set_xattr_at(AT_FDCWD, base().path(name), "security.other", "value");
  }
  set_xattr_at(AT_FDCWD, base().path("f"), kCapability, capability_value());
  mount();
  for (const char* name : {"f", "d"}) {
    const auto before = read_xattrs_at(AT_FDCWD, at(name));
    copy_up(name);
    const auto after = read_xattrs_at(AT_FDCWD, at(name));
    // chown drops capabilities, as it should.
    EXPECT_EQ(after.size(), before.size() - (name[0] == 'f' ? 1 : 0)) << name;
    EXPECT_EQ(xattr_of(at(name), "user.key"), "value");
    EXPECT_EQ(xattr_of(at(name), "user.empty"), "");
    EXPECT_EQ(xattr_of(at(name), "user.binary"), binary);
    EXPECT_EQ(xattr_of(at(name), "trusted.key"), "value");
    EXPECT_EQ(xattr_of(at(name), "security.other"), "value");
  }
}

TEST_P(UnionKeeps, Capabilities) {
  base().file("f", "text", 0755);
  set_xattr_at(AT_FDCWD, base().path("f"), kCapability, capability_value());
  mount();
  EXPECT_EQ(tried(::chmod(at("f").c_str(), 0711)), "ok");
  ASSERT_TRUE(upper().has("f"));
  EXPECT_EQ(xattr_of(at("f"), kCapability), capability_value());
  EXPECT_EQ(xattr_of(upper().path("f"), kCapability), capability_value());
}

TEST_P(UnionKeeps, LargeAndManyExtendedAttributes) {
  base().file("f", "text");
  const std::string large(1500, 'v');
  set_xattr_at(AT_FDCWD, base().path("f"), "user.large", large);
  for (int i = 0; i < 30; ++i)
    set_xattr_at(AT_FDCWD, base().path("f"), fmt::format("user.key-{:03}", i), "v");
  mount();
  const auto before = xattr_names_of(at("f"));
  EXPECT_EQ(before.size(), 31U);
  copy_up("f");
  EXPECT_EQ(xattr_names_of(at("f")), before);
  EXPECT_EQ(xattr_of(at("f"), "user.large"), large);
}

TEST_P(UnionKeeps, AccessAndDefaultAcls) {
  base().file("f", "text");
  base().dir("d");
  const std::string acl = acl_for_user(1000, 06);
  set_xattr_at(AT_FDCWD, base().path("f"), kAccessAcl, acl);
  set_xattr_at(AT_FDCWD, base().path("d"), kAccessAcl, acl);
  set_xattr_at(AT_FDCWD, base().path("d"), kDefaultAcl, acl);
  const unsigned mode = mode_of(base().path("f"));
  mount();
  for (const char* name : {"f", "d"}) {
    EXPECT_EQ(xattr_of(at(name), kAccessAcl), acl) << name;
    copy_up(name);
    EXPECT_EQ(xattr_of(at(name), kAccessAcl), acl) << name;
  }
  EXPECT_EQ(xattr_of(at("d"), kDefaultAcl), acl);
  EXPECT_EQ(mode_of(at("f")), mode);
}

TEST_P(UnionKeeps, ADefaultAclOfTheParentDoesNotTouchACopy) {
  base().dir("d", 0777);
  base().file("d/f", "text", 0640);
  base().dir("d/sub", 0750);
  set_xattr_at(AT_FDCWD, base().path("d"), kDefaultAcl, acl_for_user(1000, 07));
  mount();
  copy_up("d/f");
  copy_up("d/sub");
  EXPECT_EQ(xattr_of(at("d/f"), kAccessAcl), "ENODATA");
  EXPECT_EQ(xattr_of(at("d/sub"), kDefaultAcl), "ENODATA");
  EXPECT_EQ(mode_of(at("d/f")), 0640U);
  EXPECT_EQ(mode_of(at("d/sub")), 0750U);
}

TEST_P(UnionKeeps, NothingOfTheUnionsOwnIsShownAsAnAttribute) {
  base().file("f", "text");
  base().file("d/child");
  base().file("gone");
  mount();
  copy_up("f");
  copy_up("d");
  remove_tree_at(AT_FDCWD, at("d"));
  ASSERT_EQ(tried(::mkdir(at("d").c_str(), 0755)), "ok");
  ASSERT_EQ(tried(::unlink(at("gone").c_str())), "ok");
  for (const char* name : {"f", "d", "."})
    EXPECT_EQ(xattr_names_of(at(name)), Names{}) << name;
}

TEST_P(UnionKeeps, HolesOfASparseFile) {
  constexpr off_t kSize = off_t{64} << 20;
  constexpr off_t kIsland = off_t{32} << 20;
  {
    base().file("sparse");
    const Fd fd = open_file(base().path("sparse"), O_WRONLY);
    ASSERT_EQ(::pwrite(fd.get(), "begin", 5, 0), 5);
    ASSERT_EQ(::pwrite(fd.get(), "island", 6, kIsland), 6);
    ASSERT_EQ(::ftruncate(fd.get(), kSize), 0);
  }
  mount();
  copy_up("sparse");
  const struct stat status = status_of(at("sparse"));
  EXPECT_EQ(status.st_size, kSize);
  // A copier may fill a small hole; none of many megabytes.
  EXPECT_LT(status_of(upper().path("sparse")).st_blocks * 512, off_t{8} << 20);
  const Fd fd = open_file(at("sparse"), O_RDONLY);
  std::string island(6, '\0');
  ASSERT_EQ(::pread(fd.get(), island.data(), 6, kIsland), 6);
  EXPECT_EQ(island, "island");
  std::string zeros(4096, 'x');
  ASSERT_EQ(::pread(fd.get(), zeros.data(), zeros.size(), kSize - 4096), 4096);
  EXPECT_EQ(zeros, std::string(4096, '\0'));
  const off_t data = ::lseek(fd.get(), off_t{8} << 20, SEEK_DATA);
  EXPECT_GT(data, off_t{16} << 20);
  EXPECT_LE(data, kIsland);
}

TEST_P(UnionKeeps, AFileThatIsAllHole) {
  base().file("hole");
  ASSERT_EQ(::truncate(base().path("hole").c_str(), off_t{60} << 20), 0);
  mount();
  copy_up("hole");
  EXPECT_EQ(status_of(at("hole")).st_size, off_t{60} << 20);
  EXPECT_LT(status_of(upper().path("hole")).st_blocks, 64);
}

TEST_P(UnionKeeps, ParentsOfACopyKeepTheirAttributesAndTimes) {
  base().file("a/b/c/f", "text");
  const Names parents = {"a/b/c", "a/b", "a"};
  unsigned number = 1;
  for (const std::string& parent : parents) {
    const std::string path = base().path(parent);
    ASSERT_EQ(::chown(path.c_str(), number, number + 10), 0);
    ASSERT_EQ(::chmod(path.c_str(), 0700 + number), 0);
    set_xattr_at(AT_FDCWD, path, "user.number", std::to_string(number));
    set_xattr_at(AT_FDCWD, path, kDefaultAcl, acl_for_user(number, 5));
    make_old(path, 1'000'000'000 + number);
    ++number;
  }
  mount();
  ASSERT_EQ(tried_write(at("a/b/c/f"), "TEXT"), "ok");
  number = 1;
  for (const std::string& parent : parents) {
    SCOPED_TRACE(parent);
    const struct stat status = status_of(at(parent));
    EXPECT_EQ(status.st_uid, number);
    EXPECT_EQ(status.st_gid, number + 10);
    EXPECT_EQ(status.st_mode, S_IFDIR | (0700U + number));
    EXPECT_EQ(xattr_of(at(parent), "user.number"), std::to_string(number));
    EXPECT_EQ(xattr_of(at(parent), kDefaultAcl), acl_for_user(number, 5));
    EXPECT_EQ(time_in_ns(status.st_mtim), kOldNs + number * 1'000'000'000LL);
    ++number;
  }
}

TEST_P(UnionKeeps, TheNumberOfAnObject) {
  base().file("d/f", "text");
  base().symlink("d/symlink", "x");
  base().node("d/fifo", S_IFIFO | 0600);
  mount();
  for (const char* name : {"d", "d/f", "d/symlink", "d/fifo"}) {
    const struct stat before = status_of(at(name));
    copy_up(name);
    const struct stat after = status_of(at(name));
    if (GetParam().medium == Medium::Mixed && !traits().one_device_over_file_systems &&
        !S_ISDIR(before.st_mode))
      continue;
    EXPECT_EQ(after.st_ino, before.st_ino) << name;
    EXPECT_EQ(after.st_dev, before.st_dev) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(On,
                         UnionKeeps,
                         ::testing::ValuesIn(union_cases({Medium::Memory, Medium::Disk,
                                                          Medium::Mixed})),
                         case_name);

}  // namespace
}  // namespace layerkit
