#include "file_names.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "memory_files.h"
#include "temp_dir.h"

namespace layerkit::testing {
namespace {

std::set<std::string> names_in(const DraftDir& dir) {
  std::set<std::string> names;
  const FileName* before = nullptr;
  for (const FileName* name = dir.files; name != nullptr; name = name->next) {
    EXPECT_EQ(name->previous, before);
    EXPECT_EQ(name->dir, &dir);
    EXPECT_TRUE(names.emplace(name->name).second) << name->name;
    before = name;
  }
  return names;
}

class FileNamesTest : public ::testing::Test {
 protected:
  TempDir temp_;
  DraftArena arena_{temp_.fd(), 0};
  FileNames names_{arena_};
  DraftFile file_{&arena_};
  DraftFile other_{&arena_};
};

TEST_F(FileNamesTest, AreWhatAMapOfThemIsHoweverOftenTheyComeAndGo) {
  std::vector<std::unique_ptr<DraftDir>> dirs;
  for (int i = 0; i < 7; ++i)
    dirs.push_back(std::make_unique<DraftDir>(&arena_));
  std::map<std::pair<std::size_t, std::string>, DraftFile*> wanted;
  std::mt19937_64 random(1);
  for (int round = 0; round < 60'000; ++round) {
    const std::size_t dir = random() % dirs.size();
    const std::string name = fmt::format("a longer name {}", random() % 3000);
    DraftFile& file = random() % 2 == 0 ? file_ : other_;
    const auto known = wanted.find({dir, name});
    FileName* found = names_.find(*dirs[dir], name);
    ASSERT_EQ(found == nullptr, known == wanted.end());
    if (found != nullptr) {
      ASSERT_EQ(found->file, known->second);
    }
    if (random() % 3 != 0) {
      ASSERT_EQ(names_.add(*dirs[dir], name, file), known == wanted.end());
      wanted.try_emplace({dir, name}, &file);
    } else if (found != nullptr) {
      names_.remove(*found);
      wanted.erase(known);
    }
  }
  EXPECT_GT(wanted.size(), 10'000U);
  std::vector<std::set<std::string>> left(dirs.size());
  for (const auto& [place, file] : wanted)
    left[place.first].insert(place.second);
  for (std::size_t i = 0; i < dirs.size(); ++i) {
    EXPECT_EQ(names_in(*dirs[i]), left[i]);
    while (dirs[i]->files != nullptr)
      names_.remove(*dirs[i]->files);
  }
  for (const auto& [place, file] : wanted)
    ASSERT_EQ(names_.find(*dirs[place.first], place.second), nullptr);
}

TEST_F(FileNamesTest, TellNamesApartThatDifferInTheirEnds) {
  DraftDir dir(&arena_);
  const std::vector<std::string> alike = {"a", std::string("a\0", 2),
                                          std::string("a\0\0\0\0\0\0\0", 8), std::string(300, 'x'),
                                          std::string(301, 'x')};
  for (const std::string& name : alike)
    EXPECT_TRUE(names_.add(dir, name, file_)) << name.size();
  for (const std::string& name : alike) {
    ASSERT_NE(names_.find(dir, name), nullptr) << name.size();
    EXPECT_EQ(std::string_view(names_.find(dir, name)->name), name);
  }
}

TEST_F(FileNamesTest, ArePutInOrderInAllDirectories) {
  DraftDir root(&arena_);
  DraftDir below(&arena_);
  DraftDir empty(&arena_);
  root.children.emplace("below", &below);
  root.children.emplace("empty", &empty);
  for (const char* name : {"b", "", "ab", "\xff", "a"}) {
    ASSERT_TRUE(names_.add(root, name, file_));
    ASSERT_TRUE(names_.add(below, name, other_));
  }
  sort_file_names(root, [] {});
  for (const DraftDir* dir : {&root, &below}) {
    EXPECT_EQ(names_in(*dir).size(), 5U);
    std::vector<std::string> order;
    for (const FileName* name = dir->files; name != nullptr; name = name->next)
      order.emplace_back(name->name);
    EXPECT_EQ(order, (std::vector<std::string>{"", "a", "ab", "b", "\xff"}));
  }
  EXPECT_EQ(empty.files, nullptr);
  names_.remove(*root.files);
  EXPECT_EQ(names_in(root).size(), 4U);
  EXPECT_NE(names_.find(below, ""), nullptr);
}

TEST_F(FileNamesTest, OneDirectoryMayHaveVeryMany) {
  DraftDir dir(&arena_);
  constexpr int kNames = 200'000;
  for (int i = 0; i < kNames; ++i) {
    ASSERT_TRUE(names_.add(dir, std::to_string(i), i % 2 == 0 ? file_ : other_));
    arena_.tidy();
  }
  for (int i = 0; i < kNames; ++i) {
    const FileName* found = names_.find(dir, std::to_string(i * 77'777LL % kNames));
    ASSERT_NE(found, nullptr);
    ASSERT_EQ(found->file, i % 2 == 0 ? &file_ : &other_);
    arena_.tidy();
  }
}

}  // namespace
}  // namespace layerkit::testing
