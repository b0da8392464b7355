// Long names, long paths, deep and wide trees.

#include <sys/statvfs.h>

#include "union_conformance.h"

namespace layerkit {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the suite's own words

class UnionNames : public UnionTest {
 protected:
  std::string longest() const { return std::string(traits().name_max, 'n'); }
  std::string too_long() const { return std::string(traits().name_max + 1, 'n'); }
};

TEST_P(UnionNames, TheLongestNameCanBeUsedEverywhere) {
  base().file("lower/" + longest(), "text");
  base().file("gone/" + longest(), "text");
  mount();
  EXPECT_EQ(text_of(at("lower/" + longest())), "text");
  EXPECT_EQ(names_in(at("lower")), Names{longest()});
  ASSERT_EQ(tried_write(at("lower/" + longest()), "TEXT"), "ok");
  EXPECT_EQ(text_of(at("lower/" + longest())), "TEXT");
  ASSERT_EQ(tried_write(at(longest()), "new"), "ok");
  EXPECT_EQ(tried(::unlink(at("gone/" + longest()).c_str())), "ok");
  EXPECT_EQ(names_in(at("gone")), Names{});
  ASSERT_EQ(tried(::mkdir(at("gone/" + longest()).c_str(), 0755)), "ok");
  ASSERT_EQ(tried_write(at("gone/" + longest() + "/" + longest()), ""), "ok");
  std::string other = longest();
  other.back() = 'x';
  EXPECT_EQ(tried_rename(at("lower/" + longest()), at(other)), "ok");
  EXPECT_EQ(tried_rename(at(other), at(longest())), "ok");
  EXPECT_EQ(tried(::link(at(longest()).c_str(), at(other).c_str())), "ok");
  EXPECT_EQ(tried(::symlink("x", at("gone/" + other).c_str())), "ok");
  remove_tree_at(AT_FDCWD, at("gone"));
  EXPECT_EQ(names_in(root()), (Names{"lower", longest(), other}));
}

TEST_P(UnionNames, ALongerNameIsTooLongForEveryCall) {
  base().file("f", "");
  mount();
  const std::string name = at(std::string(256, 'n'));
  const char* path = name.c_str();
  EXPECT_EQ(tried_open(name, O_RDONLY), "ENAMETOOLONG");
  EXPECT_EQ(tried_open(name, O_WRONLY | O_CREAT), "ENAMETOOLONG");
  EXPECT_EQ(tried(::access(path, F_OK)), "ENAMETOOLONG");
  EXPECT_EQ(tried(::mkdir(path, 0755)), "ENAMETOOLONG");
  EXPECT_EQ(tried(::rmdir(path)), "ENAMETOOLONG");
  EXPECT_EQ(tried(::unlink(path)), "ENAMETOOLONG");
  EXPECT_EQ(tried(::mkfifo(path, 0600)), "ENAMETOOLONG");
  EXPECT_EQ(tried(::symlink("x", path)), "ENAMETOOLONG");
  EXPECT_EQ(tried(::link(at("f").c_str(), path)), "ENAMETOOLONG");
  EXPECT_EQ(tried(::link(path, at("g").c_str())), "ENAMETOOLONG");
  EXPECT_EQ(tried_rename(at("f"), name), "ENAMETOOLONG");
  EXPECT_EQ(tried_rename(name, at("g")), "ENAMETOOLONG");
  EXPECT_EQ(tried(::chmod(path, 0600)), "ENAMETOOLONG");
  EXPECT_EQ(tried(::truncate(path, 0)), "ENAMETOOLONG");
  EXPECT_EQ(xattr_of(name, "user.k"), "ENAMETOOLONG");
  EXPECT_EQ(tried_open(name + "/x", O_RDONLY), "ENAMETOOLONG");
  EXPECT_EQ(names_in(root()), Names{"f"});
}

TEST_P(UnionNames, ANameBeyondTheUnionsOwnLimitCannotBeMade) {
  if (traits().name_max == 255) GTEST_SKIP() << "the limit is that of every file system";
  mount();
  EXPECT_EQ(tried_write(at(too_long()), ""), "ENAMETOOLONG");
  EXPECT_EQ(tried(::mkdir(at(too_long()).c_str(), 0755)), "ENAMETOOLONG");
  EXPECT_EQ(names_in(root()), Names{});
}

TEST_P(UnionNames, StatfsTellsTheLongestName) {
  mount();
  struct statvfs status {};
  ASSERT_EQ(::statvfs(root().c_str(), &status), 0);
  EXPECT_EQ(status.f_namemax, traits().name_max);
  EXPECT_EQ(::pathconf(root().c_str(), _PC_NAME_MAX), static_cast<long>(traits().name_max));
}

TEST_P(UnionNames, PathsBeyondPathMaxWorkStepByStep) {
  leave_out_final_check("no path reaches the end of this tree");
  const std::string step(200, 's');
  constexpr int kDepth = 60;  // 12,000 bytes
  Fd lower = open_dir_at(AT_FDCWD, base().path());
  for (int i = 0; i < kDepth; ++i) {
    make_dir_at(lower.get(), step, 0755);
    lower = open_dir_at(lower.get(), step);
  }
  write_file_at(lower.get(), "f", "text", 0644);
  mount();
  Fd dir = open_dir_at(AT_FDCWD, root());
  for (int i = 0; i < kDepth; ++i)
    dir = open_dir_at(dir.get(), step);
  EXPECT_EQ(read_file_at(dir.get(), "f", 100), "text");
  write_file_at(dir.get(), "f", "TEXT", 0644);
  write_file_at(dir.get(), "new", "new", 0644);
  make_dir_at(dir.get(), "d", 0755);
  EXPECT_EQ(tried(::renameat(dir.get(), "new", dir.get(), "d/renamed")), "ok");
  EXPECT_EQ(tried(::fchmodat(dir.get(), "f", 0600, 0)), "ok");
  EXPECT_EQ(read_file_at(dir.get(), "f", 100), "TEXT");
  EXPECT_EQ(read_file_at(lower.get(), "f", 100), "text");
  EXPECT_EQ(list_dir(dir.get()).size(), 2U);
  EXPECT_EQ(tried(::unlinkat(dir.get(), "f", 0)), "ok");
  dir.reset();
  remove_tree_at(AT_FDCWD, at(step));
  EXPECT_EQ(names_in(root()), Names{});
}

TEST_P(UnionNames, NewTreesOfAnyDepthCanBeMadeAndRemoved) {
  leave_out_final_check("the tree is deeper than descriptors reach");
  mount();
  constexpr int kDepth = 1500;
  Fd dir = open_dir_at(AT_FDCWD, root());
  for (int i = 0; i < kDepth; ++i) {
    make_dir_at(dir.get(), "d", 0755);
    dir = open_dir_at(dir.get(), "d");
  }
  write_file_at(dir.get(), "f", "text", 0644);
  EXPECT_EQ(read_file_at(dir.get(), "f", 100), "text");
  for (int i = 0; i < kDepth; ++i)
    dir = open_at(dir.get(), "..", O_RDONLY | O_DIRECTORY);
  EXPECT_EQ(status_of(dir.get()).st_ino, status_of(root()).st_ino);
  dir.reset();
  remove_tree_at(AT_FDCWD, at("d"));
  EXPECT_EQ(names_in(root()), Names{});
}

TEST_P(UnionNames, AWideTreeIsWalked) {
  constexpr int kDirs = 40;
  constexpr int kFiles = 100;
  for (int d = 0; d < kDirs; ++d) {
    const BranchDir& branch = d % 3 == 0 ? upper() : d % 3 == 1 ? middle() : base();
    for (int f = 0; f < kFiles; ++f)
      branch.file(fmt::format("{}/{}", d, f));
    base().file(fmt::format("{}/base", d));
  }
  mount();
  std::size_t files = 0;
  for (const std::string& dir : names_in(root()))
    files += names_in(at(dir)).size();
  EXPECT_EQ(files, std::size_t{kDirs} * (kFiles + 1));
}

TEST_P(UnionNames, LongSymlinksAndTheirLimit) {
  mount();
  const std::string target(4000, 't');
  EXPECT_EQ(tried(::symlink(target.c_str(), at("long").c_str())), "ok");
  EXPECT_EQ(read_link_at(AT_FDCWD, at("long")), target);
  EXPECT_EQ(status_of(at("long")).st_size, 4000);
  EXPECT_EQ(tried(::symlink("", at("empty").c_str())), "ENOENT");
}

INSTANTIATE_TEST_SUITE_P(On, UnionNames, ::testing::ValuesIn(union_cases()), case_name);

}  // namespace
}  // namespace layerkit
