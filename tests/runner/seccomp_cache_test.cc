#include "seccomp/seccomp_cache.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "layerkit/base/file.h"
#include "seccomp/seccomp_cache_file.h"
#include "seccomp_run.h"
#include "temp_dir.h"

namespace layerkit::runner {
namespace {

using layerkit::testing::TempDir;
using testing::answer;
using testing::fails_with;
using testing::kAllowed;
using testing::profile_of;
using testing::rule;

SeccompProfile getppid_gets(std::uint32_t errno_ret) {
  return profile_of("SCMP_ACT_ALLOW", {rule({"getppid"}, "SCMP_ACT_ERRNO", errno_ret)});
}

/// Allows everything: what nobody asked for.
const std::vector<sock_filter> kPlanted = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};

class SeccompCacheTest : public ::testing::Test {
 protected:
  std::uint32_t getppid_by_cache(const SeccompProfile& profile = getppid_gets(EXDEV)) const {
    return answer(cache().get(profile, Context()), SYS_getppid);
  }
  SeccompCache cache() const { return SeccompCache(dir_.path("cache")); }
  std::string name(const SeccompProfile& profile = getppid_gets(EXDEV)) const {
    return "cache/" + seccomp_cache_name(seccomp_cache_key(profile));
  }
  void write(std::string_view contents, mode_t mode = 0600) const {
    unlink_at(dir_.fd(), name());
    write_file_at(dir_.fd(), name(), contents, mode);
    ASSERT_EQ(::fchmodat(dir_.fd(), name().c_str(), mode, 0), 0);
  }
  void plant(mode_t mode = 0600) const {
    write(write_seccomp_cache(seccomp_cache_key(getppid_gets(EXDEV)), kPlanted), mode);
  }
  std::string contents() const { return read_file_at(dir_.fd(), name(), 1 << 20); }
  std::size_t files() const { return list_dir(open_dir_at(dir_.fd(), "cache").get()).size(); }

  TempDir dir_;
};

bool same(const SeccompFilter& one, const SeccompFilter& other) {
  return one.flags == other.flags && one.needs_listener == other.needs_listener &&
         one.program.size() == other.program.size() &&
         std::memcmp(one.program.data(), other.program.data(),
                     one.program.size() * sizeof(sock_filter)) == 0;
}

TEST_F(SeccompCacheTest, GivesWhatTheCompilerGives) {
  SeccompProfile profile = default_seccomp_profile({});
  profile.flags = {"SECCOMP_FILTER_FLAG_LOG"};
  profile.syscalls.push_back(rule({"keyctl"}, "SCMP_ACT_NOTIFY"));
  const SeccompFilter compiled = compile_seccomp(profile, Context());
  EXPECT_TRUE(same(cache().get(profile, Context()), compiled));
  EXPECT_EQ(files(), 1U);
  EXPECT_TRUE(same(cache().get(profile, Context()), compiled));
  EXPECT_EQ(files(), 1U);
}

TEST_F(SeccompCacheTest, SecondTimeComesFromTheFile) {
  EXPECT_EQ(getppid_by_cache(), fails_with(EXDEV));
  EXPECT_EQ(stat_at(dir_.fd(), "cache")->mode, 0700U);
  EXPECT_EQ(stat_at(dir_.fd(), name())->mode, 0600U);
  plant();
  EXPECT_EQ(getppid_by_cache(), kAllowed);
}

TEST_F(SeccompCacheTest, WhatTheProgramDoesNotDependOnIsNotCompared) {
  EXPECT_EQ(getppid_by_cache(), fails_with(EXDEV));
  SeccompProfile profile = getppid_gets(EXDEV);
  profile.flags = {"SECCOMP_FILTER_FLAG_LOG"};
  profile.listener_metadata = "of one container";
  EXPECT_EQ(cache().get(profile, Context()).flags, SECCOMP_FILTER_FLAG_LOG);
  EXPECT_EQ(files(), 1U);
}

TEST_F(SeccompCacheTest, ProfilesThatDifferAnywhereHaveDifferentKeys) {
  const SeccompProfile base = [] {
    SeccompProfile profile =
        profile_of("SCMP_ACT_ERRNO", {rule({"lseek", "read"}, "SCMP_ACT_LOG")});
    profile.syscalls[0].args = {{0, 1, 0, "SCMP_CMP_EQ"}};
    return profile;
  }();
  std::vector<SeccompProfile> others(13, base);
  others[0].default_action = "SCMP_ACT_KILL";
  others[1].default_errno_ret = 0;
  others[2].default_errno_ret = EPERM;
  others[3].architectures = {"SCMP_ARCH_X86"};
  others[4].syscalls[0].names = {"lseekread"};
  others[5].syscalls[0].names = {"lseek", "reads"};
  others[6].syscalls[0].action = "SCMP_ACT_KILL";
  others[7].syscalls[0].errno_ret = 0;
  others[8].syscalls[0].args[0].index = 1;
  others[9].syscalls[0].args[0].value = 2;
  others[10].syscalls[0].args[0].value_two = 1;
  others[11].syscalls[0].args[0].op = "SCMP_CMP_NE";
  others[12].syscalls.push_back(base.syscalls[0]);
  std::vector<std::string> keys = {seccomp_cache_key(base)};
  for (const SeccompProfile& other : others)
    keys.push_back(seccomp_cache_key(other));
  for (std::size_t one = 0; one < keys.size(); ++one) {
    for (std::size_t other = 0; other < one; ++other)
      EXPECT_NE(keys[one], keys[other]) << one << " " << other;
  }
}

TEST_F(SeccompCacheTest, DamageAnywhereIsFound) {
  getppid_by_cache();
  const std::string whole = contents();
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    EXPECT_FALSE(read_seccomp_cache(seccomp_cache_key(getppid_gets(EXDEV)), damaged)) << at;
    EXPECT_FALSE(read_seccomp_cache(seccomp_cache_key(getppid_gets(EXDEV)), whole.substr(0, at)))
        << at;
  }
  EXPECT_FALSE(read_seccomp_cache(seccomp_cache_key(getppid_gets(EXDEV)), whole + '\0'));
  EXPECT_TRUE(read_seccomp_cache(seccomp_cache_key(getppid_gets(EXDEV)), whole));
}

TEST_F(SeccompCacheTest, DamagedFilesAreReplaced) {
  getppid_by_cache();
  const std::string whole = contents();
  std::string damaged = whole;
  damaged[damaged.size() - 12] = '\x7f';
  write(damaged);
  EXPECT_EQ(getppid_by_cache(), fails_with(EXDEV));
  EXPECT_EQ(contents(), whole);
  write("");
  EXPECT_EQ(getppid_by_cache(), fails_with(EXDEV));
  EXPECT_EQ(contents(), whole);
}

TEST_F(SeccompCacheTest, OtherProfilesUnderTheSameNameDoNotPass) {
  getppid_by_cache();
  write(write_seccomp_cache(seccomp_cache_key(getppid_gets(EPERM)), kPlanted));
  EXPECT_EQ(getppid_by_cache(), fails_with(EXDEV));
}

TEST_F(SeccompCacheTest, ProgramsThatAreNoneDoNotPass) {
  const std::string key = seccomp_cache_key(getppid_gets(EXDEV));
  EXPECT_FALSE(read_seccomp_cache(key, write_seccomp_cache(key, {})));
  const std::vector<sock_filter> longest(BPF_MAXINSNS, kPlanted[0]);
  EXPECT_TRUE(read_seccomp_cache(key, write_seccomp_cache(key, longest)));
  const std::vector<sock_filter> longer(BPF_MAXINSNS + 1, kPlanted[0]);
  EXPECT_FALSE(read_seccomp_cache(key, write_seccomp_cache(key, longer)));
}

TEST_F(SeccompCacheTest, FilesThatOthersCouldWriteDoNotPass) {
  getppid_by_cache();
  for (const mode_t mode : {0620U, 0602U}) {
    plant(mode);
    EXPECT_EQ(getppid_by_cache(), fails_with(EXDEV)) << mode;
    EXPECT_EQ(stat_at(dir_.fd(), name())->mode, 0600U) << "replaced by one of its own";
  }
}

TEST_F(SeccompCacheTest, FilesOfOthersDoNotPass) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  getppid_by_cache();
  plant();
  ASSERT_EQ(::fchownat(dir_.fd(), name().c_str(), 12345, 0, 0), 0);
  EXPECT_EQ(getppid_by_cache(), fails_with(EXDEV));
}

TEST_F(SeccompCacheTest, SymlinksAndFifosDoNotPass) {
  getppid_by_cache();
  plant();
  rename_at(dir_.fd(), name(), dir_.fd(), "elsewhere");
  make_symlink_at(dir_.path("elsewhere"), dir_.fd(), name());
  EXPECT_EQ(getppid_by_cache(), fails_with(EXDEV));
  unlink_at(dir_.fd(), name());
  ASSERT_EQ(::mkfifoat(dir_.fd(), name().c_str(), 0600), 0);
  EXPECT_EQ(getppid_by_cache(), fails_with(EXDEV));
}

TEST_F(SeccompCacheTest, DirectoriesThatOthersCouldWriteAreLeftAlone) {
  getppid_by_cache();
  plant();
  ASSERT_EQ(::fchmodat(dir_.fd(), "cache", 0770, 0), 0);
  EXPECT_EQ(getppid_by_cache(), fails_with(EXDEV));
  EXPECT_EQ(getppid_by_cache(getppid_gets(EPERM)), fails_with(EPERM));
  EXPECT_EQ(files(), 1U);

  ASSERT_EQ(::fchmodat(dir_.fd(), "cache", 0700, 0), 0);
  make_symlink_at("cache", dir_.fd(), "link");
  EXPECT_EQ(
      answer(SeccompCache(dir_.path("link")).get(getppid_gets(EXDEV), Context()), SYS_getppid),
      fails_with(EXDEV));
}

TEST_F(SeccompCacheTest, WithoutADirectoryThereIsNoCache) {
  for (const char* const path : {"missing/cache", "file"}) {
    write_file_at(dir_.fd(), "file", "", 0600);
    const SeccompFilter filter = SeccompCache(dir_.path(path)).get(getppid_gets(EXDEV), Context());
    EXPECT_EQ(answer(filter, SYS_getppid), fails_with(EXDEV)) << path;
  }
  EXPECT_EQ(
      answer(SeccompCache("/proc/self/fdinfo").get(getppid_gets(EXDEV), Context()), SYS_getppid),
      fails_with(EXDEV));
}

TEST_F(SeccompCacheTest, ProfilesThatAreRefusedAreNotKept) {
  const SeccompProfile profile = profile_of("SCMP_ACT_X", {});
  EXPECT_THROW(cache().get(profile, Context()), Error);
  EXPECT_THROW(cache().get(profile, Context()), Error);
  EXPECT_FALSE(stat_at(dir_.fd(), "cache"));
}

TEST_F(SeccompCacheTest, OldestFilesGoAndOthersStay) {
  getppid_by_cache();
  write_file_at(dir_.fd(), "cache/not-ours", "", 0600);
  const timespec old[2] = {{1, 0}, {1, 0}};
  write_file_at(dir_.fd(), name() + ".tmp.left", "", 0600);
  ASSERT_EQ(::utimensat(dir_.fd(), (name() + ".tmp.left").c_str(), old, 0), 0);
  const timespec next[2] = {{2, 0}, {2, 0}};
  ASSERT_EQ(::utimensat(dir_.fd(), name().c_str(), next, 0), 0);
  for (std::uint32_t errno_ret = 100; errno_ret < 99 + SeccompCache::kMaxFiles; ++errno_ret)
    getppid_by_cache(getppid_gets(errno_ret));
  EXPECT_FALSE(stat_at(dir_.fd(), name() + ".tmp.left"));
  EXPECT_TRUE(stat_at(dir_.fd(), name()));
  getppid_by_cache(getppid_gets(99));
  EXPECT_FALSE(stat_at(dir_.fd(), name()));
  EXPECT_TRUE(stat_at(dir_.fd(), name(getppid_gets(99))));
  EXPECT_TRUE(stat_at(dir_.fd(), "cache/not-ours"));
  EXPECT_EQ(files(), SeccompCache::kMaxFiles + 1);
}

}  // namespace
}  // namespace layerkit::runner
