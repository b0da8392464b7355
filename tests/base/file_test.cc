#include "layerkit/base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "expect_error.h"
#include "temp_dir.h"

namespace layerkit {
namespace {

using testing::expect_error;
using testing::TempDir;

std::vector<std::string> names(int dir_fd) {
  std::vector<std::string> result;
  for (const DirEntry& entry : list_dir(dir_fd)) {
    result.push_back(entry.name);
  }
  return result;
}

TEST(FileTest, ReplaceLeavesOnlyTheNewFile) {
  const TempDir dir;
  replace_file_at(dir.fd(), "f", "old", 0600);
  replace_file_at(dir.fd(), "f", "new", 0644);
  EXPECT_EQ(read_file_at(dir.fd(), "f", 10), "new");
  EXPECT_EQ(names(dir.fd()), (std::vector<std::string>{"f"}));
}

TEST(FileTest, ReadRefusesSymlinksFifosAndLargeFiles) {
  const TempDir dir;
  make_symlink_at("/dev/zero", dir.fd(), "link");
  ASSERT_EQ(::mkfifoat(dir.fd(), "fifo", 0600), 0);
  write_file_at(dir.fd(), "large", "12345", 0600);
  expect_error(Errc::Io, "opening 'link'", [&] { read_file_at(dir.fd(), "link", 10); });
  expect_error(Errc::Invalid, "not a regular file", [&] { read_file_at(dir.fd(), "fifo", 10); });
  expect_error(Errc::Limit, "larger than 4", [&] { read_file_at(dir.fd(), "large", 4); });
}

TEST(FileTest, AbsenceIsNotAnError) {
  const TempDir dir;
  EXPECT_FALSE(stat_at(dir.fd(), "none").has_value());
  EXPECT_FALSE(open_at_if_exists(dir.fd(), "none", O_RDONLY).has_value());
  EXPECT_FALSE(unlink_at(dir.fd(), "none"));
  remove_tree_at(dir.fd(), "none");
}

TEST(FileTest, OpeningADirectoryRefusesSymlinks) {
  const TempDir dir;
  make_dir_at(dir.fd(), "dir", 0755);
  make_symlink_at("dir", dir.fd(), "link");
  open_dir_at(dir.fd(), "dir");
  expect_error(Errc::Io, "opening 'link': Not a directory", [&] { open_dir_at(dir.fd(), "link"); });
}

TEST(FileTest, RemoveTreeDoesNotFollowSymlinks) {
  const TempDir dir;
  make_dir_at(dir.fd(), "keep", 0755);
  write_file_at(open_dir_at(dir.fd(), "keep").get(), "precious", "x", 0600);
  make_dir_at(dir.fd(), "tree", 0755);
  const Fd tree = open_dir_at(dir.fd(), "tree");
  make_symlink_at("../keep", tree.get(), "link");
  make_dir_at(tree.get(), "sub", 0000);
  remove_tree_at(dir.fd(), "tree");
  EXPECT_EQ(names(dir.fd()), (std::vector<std::string>{"keep"}));
  EXPECT_EQ(names(open_dir_at(dir.fd(), "keep").get()), (std::vector<std::string>{"precious"}));
}

TEST(FileTest, RemoveTreeGoesDeeperThanPathsAndDescriptorsAllow) {
  const TempDir dir;
  constexpr int kDepth = 5000;
  Fd current = open_dir_at(dir.fd(), ".");
  const std::string name(20, 'd');
  for (int i = 0; i < kDepth; ++i) {
    make_dir_at(current.get(), name, 0700);
    current = open_dir_at(current.get(), name);
  }
  remove_tree_at(dir.fd(), name);
  EXPECT_TRUE(names(dir.fd()).empty());
}

TEST(FileTest, ListIsSortedBytewise) {
  const TempDir dir;
  for (const char* name : {"b", "\xff", "a", "B"}) {
    write_file_at(dir.fd(), name, "", 0600);
  }
  EXPECT_EQ(names(dir.fd()), (std::vector<std::string>{"B", "a", "b", "\xff"}));
}

TEST(FileTest, RenameNoreplaceKeepsWhatIsThere) {
  const TempDir dir;
  write_file_at(dir.fd(), "a", "a", 0600);
  write_file_at(dir.fd(), "b", "b", 0600);
  expect_error(Errc::Exists, "renaming 'a' to 'b'",
               [&] { rename_noreplace_at(dir.fd(), "a", dir.fd(), "b"); });
  EXPECT_EQ(read_file_at(dir.fd(), "b", 1), "b");
}

TEST(FileTest, LinksOfAnyLengthAreReadWhole) {
  const TempDir dir;
  const std::string target(3000, 't');
  make_symlink_at(target, dir.fd(), "link");
  EXPECT_EQ(read_link_at(dir.fd(), "link"), target);
}

TEST(FileTest, XattrsRoundTripWithAnyBytes) {
  const TempDir dir;
  write_file_at(dir.fd(), "f", "", 0600);
  const std::string value("a\0=b", 4);
  try {
    set_xattr_at(dir.fd(), "f", "user.test", value);
  } catch (const Error& error) {
    if (error.sys_errno() == EOPNOTSUPP) GTEST_SKIP() << "no user xattrs in " << dir.path();
    throw;
  }
  EXPECT_EQ(read_xattrs_at(dir.fd(), "f"), (Xattrs{{"user.test", value}}));
  EXPECT_EQ(read_xattr_at(dir.fd(), "f", "user.none"), std::nullopt);
}

TEST(FileTest, AnExclusiveLockKeepsOthersOut) {
  const TempDir dir;
  {
    const FileLock lock(dir.fd(), "lock", LockKind::Exclusive);
    EXPECT_FALSE(FileLock::try_lock(open_at(dir.fd(), "lock", O_RDWR), LockKind::Shared));
  }
  EXPECT_TRUE(FileLock::try_lock(open_at(dir.fd(), "lock", O_RDWR), LockKind::Shared));
}

TEST(FileTest, MakeDirsMakesEveryComponentAndRefusesFiles) {
  const TempDir dir;
  make_dirs(dir.path("a/b/c"), 0755);
  EXPECT_EQ(stat_at(dir.fd(), "a/b/c")->type, FileType::Directory);
  make_dirs(dir.path("a/b/c"), 0755);
  write_file_at(dir.fd(), "file", "", 0600);
  EXPECT_THROW(make_dirs(dir.path("file"), 0755), Error);
}

}  // namespace
}  // namespace layerkit
