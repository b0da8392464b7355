// Numbers of files and file systems, and unions that cannot be written to.

#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include <set>

#include "union_conformance.h"

namespace layerkit {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the suite's own words

class UnionStat : public UnionTest {
 protected:
  void fill() {
    for (const BranchDir* branch : {&upper(), &middle(), &base()}) {
      const std::string own = branch == &upper() ? "u" : branch == &middle() ? "m" : "b";
      branch->file(own + "/file", own);
      branch->file("merged/" + own, own);
      branch->symlink(own + "/symlink", "x");
      branch->node(own + "/fifo", S_IFIFO | 0600);
    }
  }
  /// All objects of the union, as paths.
  Names all_paths(const std::string& below = "") const {
    Names paths;
    for (const std::string& name : names_in(at(below))) {
      const std::string path = below.empty() ? name : below + "/" + name;
      paths.push_back(path);
      if (S_ISDIR(status_of(at(path)).st_mode)) {
        const Names more = all_paths(path);
        paths.insert(paths.end(), more.begin(), more.end());
      }
    }
    return paths;
  }
  bool is_one_device() const {
    return GetParam().medium != Medium::Mixed || traits().one_device_over_file_systems;
  }
};

TEST_P(UnionStat, AllObjectsAreOnOneDevice) {
  fill();
  mount();
  ASSERT_EQ(tried_write(at("new"), ""), "ok");
  ASSERT_EQ(tried_write(at("b/file"), "copied up"), "ok");
  const dev_t device = status_of(root()).st_dev;
  for (const std::string& path : all_paths()) {
    const struct stat status = status_of(at(path));
    if (is_one_device() || S_ISDIR(status.st_mode)) {
      EXPECT_EQ(status.st_dev, device) << path;
    }
  }
}

TEST_P(UnionStat, MountingIsNoChangeOfTheTopDirectory) {
  fill();
  make_old(upper().path(""));
  const long long old = mtime_of(upper().path(""));
  mount();
  EXPECT_EQ(mtime_of(root()), old);
  EXPECT_EQ(names_in(at("b")), (Names{"fifo", "file", "symlink"}));
  unmount();
  EXPECT_EQ(mtime_of(upper().path("")), old);
}

TEST_P(UnionStat, NoTwoObjectsHaveOneNumber) {
  fill();
  mount();
  ASSERT_EQ(tried_write(at("new"), ""), "ok");
  ASSERT_EQ(tried_write(at("b/file"), "copied up"), "ok");
  ASSERT_EQ(tried(::mkdir(at("new-dir").c_str(), 0755)), "ok");
  std::set<std::pair<dev_t, ino_t>> numbers;
  std::size_t objects = 0;
  for (const std::string& path : all_paths()) {
    const struct stat status = status_of(at(path));
    numbers.insert({status.st_dev, status.st_ino});
    ++objects;
  }
  EXPECT_EQ(numbers.size(), objects);
}

TEST_P(UnionStat, NumbersStayWhileCachesGo) {
  fill();
  mount();
  std::map<std::string, ino_t> before;
  for (const std::string& path : all_paths())
    before[path] = status_of(at(path)).st_ino;
  write_file_at(AT_FDCWD, "/proc/sys/vm/drop_caches", "2", 0);
  for (const auto& [path, number] : before) {
    const struct stat status = status_of(at(path));
    if (is_one_device() || !S_ISDIR(status.st_mode)) {
      EXPECT_EQ(status.st_ino, number) << path;
    }
  }
}

TEST_P(UnionStat, NumbersStayOverARename) {
  fill();
  mount();
  const ino_t lower = status_of(at("b/file")).st_ino;
  const ino_t own = status_of(at("u/file")).st_ino;
  ASSERT_EQ(tried_rename(at("b/file"), at("renamed")), "ok");
  ASSERT_EQ(tried_rename(at("u/file"), at("b/other")), "ok");
  if (is_one_device()) {
    EXPECT_EQ(status_of(at("renamed")).st_ino, lower);
  }
  EXPECT_EQ(status_of(at("b/other")).st_ino, own);
}

TEST_P(UnionStat, AnotherMountOfTheSameBranchesShowsTheSameNumbers) {
  if (!traits().numbers_outlast_mounts) GTEST_SKIP() << backend().name << " numbers anew";
  fill();
  mount();
  ASSERT_EQ(tried_write(at("b/file"), "copied up"), "ok");
  std::map<std::string, ino_t> before;
  for (const std::string& path : all_paths())
    before[path] = status_of(at(path)).st_ino;
  remount();
  for (const auto& [path, number] : before) {
    if (is_one_device()) {
      EXPECT_EQ(status_of(at(path)).st_ino, number) << path;
    }
  }
}

TEST_P(UnionStat, SizeAndBlocksAreThoseOfTheFile) {
  base().file("f", std::string(100'000, 'x'));
  mount();
  for (int round = 0; round < 2; ++round) {
    const struct stat status = status_of(at("f"));
    EXPECT_EQ(status.st_size, 100'000);
    EXPECT_GE(status.st_blocks * 512, 100'000);
    EXPECT_LT(status.st_blocks * 512, 200'000);
    EXPECT_GT(status.st_blksize, 0);
    ASSERT_EQ(tried(::chmod(at("f").c_str(), 0600)), "ok");
  }
}

TEST_P(UnionStat, StatfsTellsOfTheUpperBranch) {
  mount();
  struct statvfs of_union {};
  struct statvfs of_branch {};
  ASSERT_EQ(::statvfs(root().c_str(), &of_union), 0);
  ASSERT_EQ(::statvfs(upper().path().c_str(), &of_branch), 0);
  EXPECT_EQ(of_union.f_bsize, of_branch.f_bsize);
  EXPECT_EQ(of_union.f_frsize, of_branch.f_frsize);
  EXPECT_EQ(of_union.f_blocks, of_branch.f_blocks);
  EXPECT_EQ(of_union.f_files, of_branch.f_files);
  EXPECT_EQ(of_union.f_flag & ST_RDONLY, 0U);
  EXPECT_GT(of_union.f_bavail, 0U);
}

TEST_P(UnionStat, ChangeTimesMoveWithEveryChange) {
  base().file("f", "text");
  mount();
  const long long before = time_in_ns(status_of(at("f")).st_ctim);
  const timespec pause{0, 20'000'000};  // longer than the kernel's clock tick
  ::nanosleep(&pause, nullptr);
  ASSERT_EQ(tried(::chmod(at("f").c_str(), 0600)), "ok");
  const long long after = time_in_ns(status_of(at("f")).st_ctim);
  EXPECT_GT(after, before);
  ::nanosleep(&pause, nullptr);
  ASSERT_EQ(tried(::link(at("f").c_str(), at("g").c_str())), "ok");
  EXPECT_GT(time_in_ns(status_of(at("f")).st_ctim), after);
}

TEST_P(UnionStat, TimesCanBeSetToAnything) {
  base().file("f", "");
  mount();
  const timespec times[2] = {{1, 2}, {4'000'000'000, 999'999'999}};
  ASSERT_EQ(tried(::utimensat(AT_FDCWD, at("f").c_str(), times, 0)), "ok");
  EXPECT_EQ(mtime_of(at("f")), 4'000'000'000'999'999'999);
  EXPECT_EQ(time_in_ns(status_of(at("f")).st_atim), 1'000'000'002);
  const timespec partly[2] = {{0, UTIME_OMIT}, {7, 0}};
  ASSERT_EQ(tried(::utimensat(AT_FDCWD, at("f").c_str(), partly, 0)), "ok");
  EXPECT_EQ(mtime_of(at("f")), 7'000'000'000);
  EXPECT_EQ(time_in_ns(status_of(at("f")).st_atim), 1'000'000'002);
  const timespec now[2] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
  ASSERT_EQ(tried(::utimensat(AT_FDCWD, at("f").c_str(), now, 0)), "ok");
  EXPECT_GT(mtime_of(at("f")), 1'000'000'000'000'000'000);
}

TEST_P(UnionStat, WhiteoutDevicesAreReservedOrOrdinary) {
  mount();
  const std::string wanted = traits().reserves_whiteout_devices ? "EPERM" : "ok";
  EXPECT_EQ(tried(::mknod(at("device").c_str(), S_IFCHR | 0600, makedev(0, 0))), wanted);
  EXPECT_EQ(exists(at("device")), wanted == "ok");
  EXPECT_EQ(tried(::mknod(at("block").c_str(), S_IFBLK | 0600, makedev(0, 0))), "ok");
  EXPECT_EQ(tried(::mknod(at("other").c_str(), S_IFCHR | 0600, makedev(0, 1))), "ok");
}

INSTANTIATE_TEST_SUITE_P(On,
                         UnionStat,
                         ::testing::ValuesIn(union_cases({Medium::Memory, Medium::Disk,
                                                          Medium::Mixed})),
                         case_name);

/// Every way to change a file, on a union that must not be changed.
void expect_read_only_files(const std::string& root) {
  const auto at = [&root](const std::string& name) { return root + "/" + name; };
  EXPECT_EQ(tried_open(at("f"), O_WRONLY), "EROFS");
  EXPECT_EQ(tried_open(at("f"), O_RDONLY | O_TRUNC), "EROFS");
  EXPECT_EQ(tried_open(at("new"), O_WRONLY | O_CREAT), "EROFS");
  EXPECT_EQ(tried_open(at("new"), O_RDONLY | O_CREAT), "EROFS");
  EXPECT_EQ(tried(::truncate(at("f").c_str(), 0)), "EROFS");
  EXPECT_EQ(tried(::chmod(at("f").c_str(), 0600)), "EROFS");
  EXPECT_EQ(tried(::chown(at("f").c_str(), 1, 2)), "EROFS");
  EXPECT_EQ(tried(::utimensat(AT_FDCWD, at("f").c_str(), nullptr, 0)), "EROFS");
  EXPECT_EQ(tried_set_xattr(at("f"), "user.k", "v"), "EROFS");
  EXPECT_EQ(tried(::removexattr(at("f").c_str(), "user.k")), "EROFS");
  EXPECT_EQ(text_of(at("f")), "text");
}

/// Every way to change names.
void expect_read_only_names(const std::string& root) {
  const auto at = [&root](const std::string& name) { return root + "/" + name; };
  EXPECT_EQ(tried(::mkdir(at("new").c_str(), 0755)), "EROFS");
  EXPECT_EQ(tried(::rmdir(at("empty").c_str())), "EROFS");
  EXPECT_EQ(tried(::unlink(at("f").c_str())), "EROFS");
  EXPECT_EQ(tried(::symlink("x", at("new").c_str())), "EROFS");
  EXPECT_EQ(tried(::mkfifo(at("new").c_str(), 0600)), "EROFS");
  EXPECT_EQ(tried(::link(at("f").c_str(), at("new").c_str())), "EROFS");
  EXPECT_EQ(tried_rename(at("f"), at("new")), "EROFS");
  EXPECT_EQ(tried_open(root, O_TMPFILE | O_WRONLY), "EROFS");
  EXPECT_EQ(names_in(root), (Names{"d", "empty", "f", "u"}));
}

void expect_read_only(const std::string& root) {
  expect_read_only_files(root);
  expect_read_only_names(root);
}

/// That it is so can be learnt without trying.
void expect_to_be_told(const std::string& root) {
  EXPECT_EQ(tried(::access((root + "/f").c_str(), W_OK)), "EROFS");
  struct statvfs status {};
  EXPECT_EQ(::statvfs(root.c_str(), &status), 0);
  EXPECT_NE(status.f_flag & ST_RDONLY, 0U);
}

class UnionReadOnly : public UnionTest {
 protected:
  /// The upper branch without its root, to which overlayfs gives an attribute in any case.
  TreeDump upper_contents() {
    TreeDump dump = DirectoryDumper::dump(upper().path());
    dump.erase("");
    return dump;
  }
  void fill() {
    base().file("f", "text");
    set_xattr_at(AT_FDCWD, base().path("f"), "user.k", "v");
    base().dir("empty");
    upper().file("u", "text");
    upper().file("d/own", "");
    middle().whiteout("d/own");
  }
};

TEST_P(UnionReadOnly, AReadOnlyMountChangesNothing) {
  fill();
  const TreeDump before = upper_contents();
  mount({.read_only = true});
  expect_read_only(root());
  expect_to_be_told(root());
  EXPECT_EQ(tried_open(at("u"), O_WRONLY), "EROFS");
  expect_same_tree(upper_contents(), before, "the upper branch");
}

TEST_P(UnionReadOnly, WithoutAWritableBranchNothingChanges) {
  fill();
  const TreeDump before = upper_contents();
  mount({.has_upper = false});
  expect_read_only(root());
  if (traits().read_only_when_no_branch_is_writable) expect_to_be_told(root());
  expect_same_tree(upper_contents(), before, "the top branch");
}

TEST_P(UnionReadOnly, ReadingLeavesNoTraceInTheBranches) {
  fill();
  mount({.has_upper = false});
  EXPECT_EQ(text_of(at("f")), "text");
  EXPECT_EQ(names_in(at("d")), Names{"own"});
  unmount();
  EXPECT_EQ(upper().tree(), (Names{"d", "d/own", "u"}));
  mount({.has_upper = false});
}

TEST_P(UnionStat, ReadingLeavesNoTraceOnALowerBranch) {
  base().file("d/f", "text");
  middle().dir("d");
  mount();
  const timespec long_ago[2] = {{1000, 0}, {0, UTIME_OMIT}};
  for (const std::string& path : {base().path("d/f"), base().path("d"), middle().path("d")})
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), long_ago, 0), 0);
  EXPECT_EQ(names_in(at("d")), Names{"f"});
  EXPECT_EQ(text_of(at("d/f")), "text");
  for (const std::string& path : {base().path("d/f"), base().path("d"), middle().path("d")})
    EXPECT_EQ(status_of(path).st_atim.tv_sec, 1000) << path;
}

INSTANTIATE_TEST_SUITE_P(On, UnionReadOnly, ::testing::ValuesIn(union_cases()), case_name);

}  // namespace
}  // namespace layerkit
