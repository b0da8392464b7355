// Listings: merged, complete, steady while the directory changes.

#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "union_conformance.h"

namespace layerkit {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the suite's own words

struct Listed {
  std::uint64_t ino = 0;
  unsigned char type = DT_UNKNOWN;
};

/// All that is listed, "." and ".." as well.
std::map<std::string, Listed> entries_of(const std::string& path) {
  std::map<std::string, Listed> entries;
  const DirStream dir(path);
  // NOLINTNEXTLINE(concurrency-mt-unsafe): the stream belongs to one thread
  while (const dirent* entry = ::readdir(dir.get())) {
    const bool added = entries.emplace(entry->d_name, Listed{entry->d_ino, entry->d_type}).second;
    EXPECT_TRUE(added) << entry->d_name << " is listed twice";
  }
  return entries;
}

std::string name_of_number(int number) {
  return fmt::format("entry-{:05}", number);
}

class UnionReaddir : public UnionTest {
 protected:
  /// `count` files in d, every branch with a third of them and with some of its neighbour's.
  void fill(int count) {
    for (const BranchDir* branch : {&upper(), &middle(), &base()})
      branch->dir("d");
    for (int i = 0; i < count; ++i) {
      const std::string name = "d/" + name_of_number(i);
      const std::array<BranchDir*, 3> all = {&upper(), &middle(), &base()};
      const auto third = static_cast<std::size_t>(i % 3);
      all[third]->file(name);
      if (i % 7 == 0) all[(third + 1) % 3]->file(name);
    }
  }
  static Names all_names(int count) {
    Names names;
    for (int i = 0; i < count; ++i)
      names.push_back(name_of_number(i));
    return names;
  }
};

TEST_P(UnionReaddir, EveryNameIsListedOnce) {
  fill(1000);
  mount();
  EXPECT_EQ(names_in(at("d")), all_names(1000));
}

TEST_P(UnionReaddir, WhiteoutsAreNotListed) {
  for (const char* name : {"d/a", "d/b", "d/c"})
    base().file(name);
  middle().whiteout("d/a");
  upper().whiteout("d/b");
  mount();
  EXPECT_EQ(names_in(at("d")), Names{"c"});
  EXPECT_EQ(tried(::unlink(at("d/c").c_str())), "ok");
  EXPECT_EQ(names_in(at("d")), Names{});
}

TEST_P(UnionReaddir, ANameBelowItsWhiteoutIsListedIfItIsAboveAnother) {
  base().file("d/x", "base");
  middle().whiteout("d/x");
  upper().file("d/x", "upper");
  mount();
  EXPECT_EQ(names_in(at("d")), Names{"x"});
}

TEST_P(UnionReaddir, DotAndDotDotAreListedOnceWithTheirNumbers) {
  fill(3);
  base().file("d/sub/x");
  middle().file("d/sub/y");
  mount();
  const auto entries = entries_of(at("d/sub"));
  ASSERT_TRUE(entries.contains(".") && entries.contains(".."));
  EXPECT_EQ(entries.at(".").ino, status_of(at("d/sub")).st_ino);
  EXPECT_EQ(entries.at("..").ino, status_of(at("d")).st_ino);
  EXPECT_EQ(entries.at("..").type, DT_DIR);
}

TEST_P(UnionReaddir, NumbersAndTypesAreThoseOfStat) {
  for (const BranchDir* branch : {&upper(), &middle(), &base()}) {
    const std::string own = branch == &upper() ? "u" : branch == &middle() ? "m" : "b";
    branch->file("d/" + own + "-file");
    branch->file("d/shared-file", own);
    branch->dir("d/" + own + "-dir");
    branch->dir("d/shared-dir");
    branch->symlink("d/" + own + "-symlink", "x");
    branch->node("d/" + own + "-fifo", S_IFIFO | 0600);
    branch->node("d/" + own + "-socket", S_IFSOCK | 0600);
    branch->node("d/" + own + "-char", S_IFCHR | 0600, makedev(1, 3));
    branch->node("d/" + own + "-block", S_IFBLK | 0600, makedev(7, 77));
  }
  mount();
  EXPECT_EQ(tried_write(at("d/b-file"), "copied up"), "ok");
  EXPECT_EQ(tried(::chmod(at("d/m-dir").c_str(), 0700)), "ok");
  EXPECT_EQ(tried_write(at("d/new"), "new"), "ok");
  auto entries = entries_of(at("d"));
  entries.erase(".");
  entries.erase("..");
  EXPECT_EQ(entries.size(), 3 * 7 + 2 + 1U);
  for (const auto& [name, listed] : entries) {
    const struct stat status = status_of(at("d/" + name));
    EXPECT_EQ(listed.ino, status.st_ino) << name;
    EXPECT_EQ(listed.type, IFTODT(status.st_mode)) << name;
  }
}

TEST_P(UnionReaddir, NamesCanBeReadOfATreeBeforeAndAfterItsAttributes) {
  // A reader of names alone is told less by some backends; what is asked later is right anyway.
  constexpr int kDirectories = 12;
  constexpr int kFiles = 20;
  const auto directory = [](int number) { return "d" + std::to_string(number); };
  for (int i = 0; i < kDirectories; ++i)
    for (int file = 0; file < kFiles; ++file)
      (file % 2 == 0 ? base() : middle()).file(directory(i) + "/" + name_of_number(file), "1234");
  base().symlink(directory(5) + "/link", "target");
  mount();
  std::map<int, std::map<std::string, Listed>> listed;
  const auto read_names = [&] {
    for (int i = 0; i < kDirectories; ++i)
      listed[i] = entries_of(at(directory(i)));
  };
  const auto check_attributes = [&] {
    for (const auto& [i, entries] : listed) {
      EXPECT_EQ(entries.size(), i == 5 ? kFiles + 3 : kFiles + 2);
      for (const auto& [name, entry] : entries) {
        if (name.starts_with('.')) continue;
        const struct stat stat = status_of(at(directory(i) + "/" + name));
        EXPECT_EQ(stat.st_ino, entry.ino) << name;
        EXPECT_EQ(IFTODT(stat.st_mode), entry.type) << name;
        EXPECT_EQ(stat.st_size, name == "link" ? 6 : 4) << name;
      }
    }
  };
  read_names();
  check_attributes();
  read_names();
  check_attributes();
}

TEST_P(UnionReaddir, SmallReadsGiveTheWholeListing) {
  fill(300);
  mount();
  const Fd dir = open_dir_at(AT_FDCWD, at("d"));
  Names names;
  alignas(dirent64) std::array<char, 80> buffer{};
  for (;;) {
    const long got = ::syscall(SYS_getdents64, dir.get(), buffer.data(), buffer.size());
    ASSERT_GE(got, 0) << errno_text(errno);
    if (got == 0) break;
    for (long at = 0; at < got;) {
      dirent64 entry{};
      std::memcpy(&entry, buffer.data() + at, offsetof(dirent64, d_name));
      const char* name = buffer.data() + at + offsetof(dirent64, d_name);
      if (name[0] != '.') names.emplace_back(name);
      at += entry.d_reclen;
    }
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, all_names(300));
}

TEST_P(UnionReaddir, ABufferTooSmallForANameIsRefused) {
  fill(3);
  mount();
  const Fd dir = open_dir_at(AT_FDCWD, at("d"));
  alignas(dirent64) std::array<char, 16> buffer{};
  EXPECT_EQ(tried(::syscall(SYS_getdents64, dir.get(), buffer.data(), buffer.size())), "EINVAL");
}

TEST_P(UnionReaddir, EveryPlaceCanBeReturnedTo) {
  fill(200);
  mount();
  DirStream dir(at("d"));
  Names all;
  std::vector<long> offsets;
  for (;;) {
    const long offset = ::telldir(dir.get());
    const std::string name = dir.next();
    if (name.empty()) break;
    offsets.push_back(offset);
    all.push_back(name);
  }
  ASSERT_EQ(all.size(), 202U);
  EXPECT_EQ(std::set<long>(offsets.begin(), offsets.end()).size(), offsets.size());
  for (std::size_t i = all.size(); i-- > 0;) {
    ::seekdir(dir.get(), offsets[i]);
    EXPECT_EQ(dir.next(), all[i]);
  }
  ::seekdir(dir.get(), offsets[100]);
  for (std::size_t i = 100; i < all.size(); ++i)
    ASSERT_EQ(dir.next(), all[i]);
  EXPECT_EQ(dir.next(), "");
}

TEST_P(UnionReaddir, ChangesWhileReadingDisturbNoOtherName) {
  constexpr int kCount = 2000;
  fill(kCount);
  mount();
  DirStream dir(at("d"));
  std::multiset<std::string> seen;
  int changes = 0;
  for (std::string name = dir.next(); !name.empty(); name = dir.next()) {
    seen.insert(name);
    if (++changes % 10 != 0) continue;
    EXPECT_EQ(tried_write(at(fmt::format("d/new-{}", changes)), "x"), "ok");
    if (changes % 20 == 0) {
      EXPECT_EQ(tried(::unlink(at(fmt::format("d/new-{}", changes - 10)).c_str())), "ok");
    }
  }
  for (const std::string& name : all_names(kCount))
    EXPECT_EQ(seen.count(name), 1U) << name;
  for (const std::string& name : seen)
    EXPECT_EQ(seen.count(name), 1U) << name;
}

TEST_P(UnionReaddir, NamesThatAreRemovedBehindTheReaderDisturbNoOther) {
  constexpr int kCount = 900;
  fill(kCount);
  mount();
  DirStream dir(at("d"));
  std::set<std::string> seen;
  for (std::string name = dir.next(); !name.empty(); name = dir.next()) {
    EXPECT_TRUE(seen.insert(name).second) << name << " is listed twice";
    if (name[0] == 'e' && seen.size() % 2 == 0) {
      EXPECT_EQ(tried(::unlink(at("d/" + name).c_str())), "ok");
    }
  }
  EXPECT_EQ(seen.size(), kCount + 2U);
}

TEST_P(UnionReaddir, AllOfManyNamesCanBeRemovedWhileReading) {
  constexpr int kCount = 5000;
  fill(kCount);
  mount();
  DirStream dir(at("d"));
  int removed = 0;
  for (std::string name = dir.next(); !name.empty(); name = dir.next()) {
    if (name == "." || name == "..") continue;
    ASSERT_EQ(tried(::unlink(at("d/" + name).c_str())), "ok") << name;
    ++removed;
  }
  EXPECT_EQ(removed, kCount);
  EXPECT_EQ(names_in(at("d")), Names{});
  EXPECT_EQ(tried(::rmdir(at("d").c_str())), "ok");
  EXPECT_EQ(names_in(root()), Names{});
}

TEST_P(UnionReaddir, RewindingShowsWhatChanged) {
  fill(10);
  mount();
  DirStream dir(at("d"));
  EXPECT_EQ(dir.rest().size(), 10U);
  EXPECT_EQ(tried_write(at("d/new"), ""), "ok");
  EXPECT_EQ(tried(::unlink(at("d/" + name_of_number(2)).c_str())), "ok");
  EXPECT_EQ(tried_rename(at("d/" + name_of_number(3)), at("d/renamed")), "ok");
  ::rewinddir(dir.get());
  Names names = dir.rest();
  std::sort(names.begin(), names.end());
  Names wanted = {"new", "renamed"};
  for (const int i : {0, 1, 4, 5, 6, 7, 8, 9})
    wanted.push_back(name_of_number(i));
  std::sort(wanted.begin(), wanted.end());
  EXPECT_EQ(names, wanted);
}

TEST_P(UnionReaddir, AStreamOpenedBeforeTheCopyUpOfItsDirectorySeesNewNames) {
  base().file("d/old");
  mount();
  DirStream dir(at("d"));
  EXPECT_EQ(dir.rest(), Names{"old"});
  EXPECT_EQ(tried_write(at("d/new"), ""), "ok");
  ::rewinddir(dir.get());
  Names names = dir.rest();
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (Names{"new", "old"}));
}

TEST_P(UnionReaddir, ADirectoryStaysUsableThroughADescriptorWhenItIsCopiedUp) {
  base().file("d/old", "old");
  mount();
  const Fd dir = open_dir_at(AT_FDCWD, at("d"));
  EXPECT_EQ(tried(::fchmod(dir.get(), 0700)), "ok");
  EXPECT_EQ(mode_of(at("d")), 0700U);
  const Fd made(::openat(dir.get(), "new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  EXPECT_TRUE(made);
  EXPECT_EQ(tried(::unlinkat(dir.get(), "old", 0)), "ok");
  EXPECT_EQ(names_in(at("d")), Names{"new"});
}

TEST_P(UnionReaddir, ARemovedDirectoryListsNothing) {
  base().dir("lower");
  mount();
  EXPECT_EQ(tried(::mkdir(at("made").c_str(), 0755)), "ok");
  for (const char* name : {"lower", "made"}) {
    const DirStream dir(at(name));
    EXPECT_EQ(tried(::rmdir(at(name).c_str())), "ok");
    EXPECT_EQ(tried_open(at(std::string(name) + "/x"), O_WRONLY | O_CREAT), "ENOENT");
    const Fd fd(::fcntl(::dirfd(dir.get()), F_DUPFD_CLOEXEC, 0));
    EXPECT_EQ(tried(::openat(fd.get(), "x", O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), "ENOENT");
    EXPECT_EQ(tried(::mkdirat(fd.get(), "x", 0755)), "ENOENT");
    EXPECT_EQ(tried(::unlinkat(fd.get(), "x", 0)), "ENOENT");
  }
}

TEST_P(UnionReaddir, AReplacedNameIsListedOnce) {
  base().file("d/x", "base");
  base().file("d/y", "base");
  mount();
  EXPECT_EQ(tried_rename(at("d/y"), at("d/x")), "ok");
  EXPECT_EQ(names_in(at("d")), Names{"x"});
  EXPECT_EQ(tried_write(at("d/y"), "new"), "ok");
  EXPECT_EQ(names_in(at("d")), (Names{"x", "y"}));
}

TEST_P(UnionReaddir, TwoStreamsOfOneDirectoryDoNotDisturbEachOther) {
  fill(50);
  mount();
  DirStream first(at("d"));
  DirStream second(at("d"));
  Names from_first;
  Names from_second;
  for (int i = 0; i < 52; ++i) {
    from_first.push_back(first.next());
    if (i % 2 == 0) from_second.push_back(second.next());
  }
  for (std::string name = second.next(); !name.empty(); name = second.next())
    from_second.push_back(name);
  std::sort(from_first.begin(), from_first.end());
  std::sort(from_second.begin(), from_second.end());
  EXPECT_EQ(from_first, from_second);
  EXPECT_EQ(from_first.size(), 52U);
}

TEST_P(UnionReaddir, ADirectoryCanBeReadFromAnyOffsetItGaveAfterChanges) {
  fill(100);
  mount();
  DirStream dir(at("d"));
  Names before;
  for (int i = 0; i < 40; ++i)
    before.push_back(dir.next());
  const long place = ::telldir(dir.get());
  const Names rest = dir.rest();
  EXPECT_EQ(tried_write(at("d/new"), ""), "ok");
  EXPECT_EQ(tried(::unlink(at("d/" + rest.back()).c_str())), "ok");
  ::seekdir(dir.get(), place);
  Names again = dir.rest();
  std::erase(again, "new");
  std::erase(again, rest.back());
  EXPECT_EQ(again, Names(rest.begin(), rest.end() - 1));
}

INSTANTIATE_TEST_SUITE_P(On,
                         UnionReaddir,
                         ::testing::ValuesIn(union_cases({Medium::Memory, Medium::Disk})),
                         case_name);

}  // namespace
}  // namespace layerkit
