// What copies a file up, and what does not.

#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#include "union_conformance.h"
#include "xattr_values.h"

namespace layerkit {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the suite's own words

/// Something done to a file at a path.
struct Action {
  const char* name;
  std::string (*run)(const std::string& path);
  /// What the file, "some text" before, holds then.
  std::string text = "some text";
};

template <typename Use>
std::string with_open(const std::string& path, int flags, const Use& use) {
  const Fd fd(::open(path.c_str(), flags | O_CLOEXEC));
  return fd ? tried(use(fd.get())) : tried(-1);
}

const std::vector<Action>& changes() {
  static const std::vector<Action> list = {
      {"write", [](const std::string& path) { return tried_write(path, "SOME"); }, "SOME text"},
      {"append", [](const std::string& path) { return tried_write(path, "!", O_APPEND); },
       "some text!"},
      {"pwrite",
       [](const std::string& path) {
         return with_open(path, O_RDWR, [](int fd) { return ::pwrite(fd, "T", 1, 5); });
       },
       "some Text"},
      {"open with O_TRUNC",
       [](const std::string& path) { return tried_open(path, O_WRONLY | O_TRUNC); }, ""},
      {"truncate shorter",
       [](const std::string& path) { return tried(::truncate(path.c_str(), 4)); }, "some"},
      {"truncate longer",
       [](const std::string& path) { return tried(::truncate(path.c_str(), 11)); },
       std::string("some text\0\0", 11)},
      {"truncate to the same",
       [](const std::string& path) { return tried(::truncate(path.c_str(), 9)); }},
      {"ftruncate",
       [](const std::string& path) {
         return with_open(path, O_RDWR, [](int fd) { return ::ftruncate(fd, 2); });
       },
       "so"},
      {"fallocate",
       [](const std::string& path) {
         return with_open(path, O_RDWR, [](int fd) { return ::fallocate(fd, 0, 0, 10); });
       },
       std::string("some text\0", 10)},
      {"chmod", [](const std::string& path) { return tried(::chmod(path.c_str(), 0711)); }},
      {"fchmod of a reader",
       [](const std::string& path) {
         return with_open(path, O_RDONLY, [](int fd) { return ::fchmod(fd, 0711); });
       }},
      {"chown", [](const std::string& path) { return tried(::chown(path.c_str(), 1, 2)); }},
      {"fchown of a reader",
       [](const std::string& path) {
         return with_open(path, O_RDONLY, [](int fd) { return ::fchown(fd, 1, 2); });
       }},
      {"utimensat",
       [](const std::string& path) {
         const timespec times[2] = {{5, 6}, {7, 8}};
         return tried(::utimensat(AT_FDCWD, path.c_str(), times, 0));
       }},
      {"futimens of a reader",
       [](const std::string& path) {
         return with_open(path, O_RDONLY, [](int fd) { return ::futimens(fd, nullptr); });
       }},
      {"setxattr", [](const std::string& path) { return tried_set_xattr(path, "user.k", "v"); }},
      {"removexattr",
       [](const std::string& path) { return tried(::removexattr(path.c_str(), "user.present")); }},
      {"setting an ACL",
       [](const std::string& path) {
         return tried_set_xattr(path, kAccessAcl, acl_for_user(9, 4));
       }},
      {"link",
       [](const std::string& path) {
         return tried(::link(path.c_str(), (path + "-link").c_str()));
       }},
      {"a shared mapping",
       [](const std::string& path) {
         return with_open(path, O_RDWR, [](int fd) {
           void* map = ::mmap(nullptr, 9, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
           if (map == MAP_FAILED) return -1;
           *static_cast<char*>(map) = 'S';
           return ::munmap(map, 9);
         });
       },
       "Some text"},
  };
  return list;
}

class UnionCopyUp : public UnionTest {
 protected:
  void make_lower(const std::string& name) {
    base().file(name, "some text");
    set_xattr_at(AT_FDCWD, base().path(name), "user.present", "yes");
  }
};

TEST_P(UnionCopyUp, EveryChangeOfALowerFileIsMadeInTheUpper) {
  for (const Action& change : changes())
    make_lower(change.name);
  mount();
  for (const Action& change : changes()) {
    SCOPED_TRACE(change.name);
    EXPECT_FALSE(upper().has(change.name));
    EXPECT_EQ(change.run(at(change.name)), "ok");
    EXPECT_EQ(text_of(at(change.name)), change.text);
    ASSERT_TRUE(upper().has(change.name));
    EXPECT_EQ(upper().text(change.name), change.text);
  }
}

TEST_P(UnionCopyUp, EveryChangeOfAFileOfTheUpperIsMadeThere) {
  mount();
  for (const Action& change : changes()) {
    SCOPED_TRACE(change.name);
    ASSERT_EQ(tried_write(at(change.name), "some text"), "ok");
    ASSERT_EQ(tried_set_xattr(at(change.name), "user.present", "yes"), "ok");
    EXPECT_EQ(change.run(at(change.name)), "ok");
    EXPECT_EQ(text_of(at(change.name)), change.text);
  }
}

TEST_P(UnionCopyUp, EveryChangeReachesAFileInADirectoryThatOnlyALowerHas) {
  for (const Action& change : changes())
    make_lower(std::string(change.name) + "/deep/er/file");
  mount();
  for (const Action& change : changes()) {
    SCOPED_TRACE(change.name);
    const std::string path = std::string(change.name) + "/deep/er/file";
    EXPECT_EQ(change.run(at(path)), "ok");
    EXPECT_EQ(upper().text(path), change.text);
    EXPECT_FALSE(upper().is_opaque(change.name));
  }
}

TEST_P(UnionCopyUp, LookingCopiesNothingUp) {
  make_lower("d/f");
  base().symlink("d/symlink", "f");
  base().node("d/fifo", S_IFIFO | 0600);
  mount();
  const std::string path = at("d/f");
  EXPECT_EQ(text_of(path), "some text");
  EXPECT_EQ(names_in(at("d")), (Names{"f", "fifo", "symlink"}));
  EXPECT_EQ(tried(::access(path.c_str(), R_OK | W_OK)), "ok");
  EXPECT_EQ(xattr_of(path, "user.present"), "yes");
  EXPECT_EQ(read_link_at(AT_FDCWD, at("d/symlink")), "f");
  EXPECT_EQ(tried_open(path, O_RDONLY | O_NOATIME), "ok");
  EXPECT_EQ(tried_open(path, O_PATH), "ok");
  EXPECT_EQ(tried_open(at("d/fifo"), O_RDWR | O_NONBLOCK), "ok");
  const Fd fd = open_file(path, O_RDONLY);
  EXPECT_EQ(tried(::flock(fd.get(), LOCK_EX)), "ok");
  EXPECT_EQ(tried(::fsync(fd.get())), "ok");
  EXPECT_EQ(::lseek(fd.get(), 0, SEEK_DATA), 0);
  void* map = ::mmap(nullptr, 9, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd.get(), 0);
  ASSERT_NE(map, MAP_FAILED);
  *static_cast<char*>(map) = 'X';
  ::munmap(map, 9);
  EXPECT_EQ(upper().tree(), Names{});
}

TEST_P(UnionCopyUp, ChangesThatFailCopyNothingUp) {
  make_lower("d/f");
  base().dir("d/sub");
  mount();
  const std::string path = at("d/f");
  EXPECT_EQ(tried_open(path, O_WRONLY | O_CREAT | O_EXCL), "EEXIST");
  EXPECT_EQ(tried_open(path, O_RDWR | O_DIRECTORY), "ENOTDIR");
  EXPECT_EQ(tried_open(at("d/sub"), O_WRONLY), "EISDIR");
  EXPECT_EQ(tried(::truncate(path.c_str(), -1)), "EINVAL");
  EXPECT_EQ(tried(::truncate(at("d/sub").c_str(), 0)), "EISDIR");
  as_user({}, [&] {
    EXPECT_EQ(tried_open(path, O_WRONLY), "EACCES");
    EXPECT_EQ(tried(::truncate(path.c_str(), 0)), "EACCES");
    EXPECT_EQ(tried(::chmod(path.c_str(), 0777)), "EPERM");
    EXPECT_EQ(tried(::chown(path.c_str(), kNobody, kNobody)), "EPERM");
    EXPECT_EQ(tried(::utimensat(AT_FDCWD, path.c_str(), nullptr, 0)), "EACCES");
    EXPECT_EQ(tried_set_xattr(path, "user.k", "v"), "EACCES");
    EXPECT_EQ(tried(::unlink(path.c_str())), "EACCES");
    EXPECT_EQ(tried_rename(path, at("d/g")), "EACCES");
  });
  EXPECT_EQ(xattr_of(path, "user.present"), "yes");
  const Names nothing_of_the_file = upper().tree();
  EXPECT_TRUE(nothing_of_the_file == Names{} || nothing_of_the_file == Names{"d"});
}

TEST_P(UnionCopyUp, AttributesAreMadeOrReplacedAsAskedFor) {
  make_lower("f");
  mount();
  const std::string path = at("f");
  EXPECT_EQ(tried_set_xattr(path, "user.present", "no", XATTR_CREATE), "EEXIST");
  EXPECT_EQ(tried_set_xattr(path, "user.absent", "no", XATTR_REPLACE), "ENODATA");
  EXPECT_EQ(tried(::removexattr(path.c_str(), "user.absent")), "ENODATA");
  EXPECT_EQ(tried_set_xattr(path, "user.present", "new", XATTR_REPLACE), "ok");
  EXPECT_EQ(tried_set_xattr(path, "user.absent", "made", XATTR_CREATE), "ok");
  EXPECT_EQ(xattr_of(path, "user.present"), "new");
  EXPECT_EQ(xattr_of(path, "user.absent"), "made");
  EXPECT_EQ(tried(::removexattr(path.c_str(), "user.present")), "ok");
  EXPECT_EQ(xattr_of(path, "user.present"), "ENODATA");
}

TEST_P(UnionCopyUp, WhatIsNoFileIsCopiedUpAsWhatItIs) {
  base().symlink("symlink", "nowhere");
  base().node("fifo", S_IFIFO | 0600);
  base().node("socket", S_IFSOCK | 0600);
  base().node("device", S_IFBLK | 0600, makedev(7, 9));
  base().file("dir/child", "child");
  mount();
  for (const char* name : {"symlink", "fifo", "socket", "device", "dir"}) {
    SCOPED_TRACE(name);
    const mode_t type = status_of(at(name)).st_mode & S_IFMT;
    EXPECT_EQ(tried(::lchown(at(name).c_str(), 11, 22)), "ok");
    const timespec times[2] = {{5, 6}, {7, 8}};
    EXPECT_EQ(tried(::utimensat(AT_FDCWD, at(name).c_str(), times, AT_SYMLINK_NOFOLLOW)), "ok");
    const struct stat status = status_of(upper().path(name));
    EXPECT_EQ(status.st_mode & S_IFMT, type);
    EXPECT_EQ(status.st_uid, 11U);
    EXPECT_EQ(time_in_ns(status_of(at(name)).st_mtim), 7'000'000'008);
    EXPECT_EQ(status_of(at(name)).st_gid, 22U);
  }
  EXPECT_EQ(read_link_at(AT_FDCWD, at("symlink")), "nowhere");
  EXPECT_EQ(status_of(at("device")).st_rdev, makedev(7, 9));
  EXPECT_EQ(names_in(at("dir")), Names{"child"});
  EXPECT_FALSE(upper().has("dir/child"));
  EXPECT_FALSE(upper().is_opaque("dir"));
}

TEST_P(UnionCopyUp, DirectoriesAreCopiedUpByEachOfTheirChanges) {
  const Names names = {"chmod", "chown", "setxattr", "utimens", "acl"};
  for (const std::string& name : names)
    base().file(name + "/child", "");
  mount();
  EXPECT_EQ(tried(::chmod(at("chmod").c_str(), 0700)), "ok");
  EXPECT_EQ(tried(::chown(at("chown").c_str(), 1, 2)), "ok");
  EXPECT_EQ(tried_set_xattr(at("setxattr"), "user.k", "v"), "ok");
  EXPECT_EQ(tried(::utimensat(AT_FDCWD, at("utimens").c_str(), nullptr, 0)), "ok");
  EXPECT_EQ(tried_set_xattr(at("acl"), kDefaultAcl, acl_for_user(9, 4)), "ok");
  for (const std::string& name : names) {
    EXPECT_TRUE(upper().has(name)) << name;
    EXPECT_EQ(names_in(at(name)), Names{"child"}) << name;
  }
}

TEST_P(UnionCopyUp, TheFileOfTheHighestBranchIsTheOneThatIsCopied) {
  base().file("f", "base");
  middle().file("f", "middle");
  mount();
  EXPECT_EQ(tried_write(at("f"), "!", O_APPEND), "ok");
  EXPECT_EQ(upper().text("f"), "middle!");
}

TEST_P(UnionCopyUp, ALargeFileArrivesWhole) {
  std::string text;
  text.reserve(9'000'000);
  for (unsigned i = 0; text.size() < 9'000'000; ++i)
    text += fmt::format("{:08x}", i * 2654435761U);
  text += "the odd end";
  base().file("large", text);
  mount();
  EXPECT_EQ(tried(::chmod(at("large").c_str(), 0600)), "ok");
  EXPECT_TRUE(upper().text("large") == text);
  EXPECT_TRUE(text_of(at("large")) == text);
}

TEST_P(UnionCopyUp, AnEmptyFileArrivesEmpty) {
  base().file("empty", "");
  mount();
  EXPECT_EQ(tried(::chmod(at("empty").c_str(), 0600)), "ok");
  EXPECT_EQ(status_of(at("empty")).st_size, 0);
  EXPECT_TRUE(upper().has("empty"));
}

TEST_P(UnionCopyUp, TwoWritersOfALowerFileShareOneCopy) {
  base().file("f", "........");
  mount();
  const Fd first = open_file(at("f"), O_RDWR);
  const Fd second = open_file(at("f"), O_RDWR);
  EXPECT_EQ(::pwrite(first.get(), "1", 1, 0), 1);
  EXPECT_EQ(::pwrite(second.get(), "2", 1, 1), 1);
  EXPECT_EQ(tried_write(at("f"), "3", O_APPEND), "ok");
  EXPECT_EQ(text_of(first.get()), "12......3");
  EXPECT_EQ(text_of(second.get()), "12......3");
  EXPECT_EQ(upper().text("f"), "12......3");
}

TEST_P(UnionCopyUp, AnExecutedFileCanBeReplacedAndChangedAfterwards) {
  base().file("bin/program", read_file_at(AT_FDCWD, "/bin/true", 1 << 24), 0755);
  mount();
  EXPECT_EQ(run_expectations([&] {
              EXPECT_EQ(exit_code_of_child([] { return ::fork(); },
                                           [&] {
                                             const std::string path = at("bin/program");
                                             ::execl(path.c_str(), path.c_str(), nullptr);
                                             return 1;
                                           }),
                        0);
            }),
            0);
  EXPECT_EQ(tried_write(at("bin/program"), "!", O_APPEND), "ok");
  EXPECT_EQ(tried(::access(at("bin/program").c_str(), X_OK)), "ok");
}

INSTANTIATE_TEST_SUITE_P(On,
                         UnionCopyUp,
                         ::testing::ValuesIn(union_cases({Medium::Memory, Medium::Disk,
                                                          Medium::Mixed})),
                         case_name);

}  // namespace
}  // namespace layerkit
